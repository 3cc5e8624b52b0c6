/**
 * `projects`, `backends` and `headStart`: the order in which jobs get free slots, and how many jobs of a project, or with
 * the same back end, run at a time.
 */
import { z } from 'zod';
import { overlap } from '../../machines/trigger/rules/glob.ts';
import type { Config } from '../config.ts';
import { describe, duration, integer, optionalInteger } from '../fields/fields.ts';
import { entryName, projectPattern } from '../fields/validators.ts';
import { nearest } from '../file/config-error.ts';
import { at, isMapping, type ReportProblem } from '../file/yaml-document.ts';

export const headStart = z.strictObject({
  recheck: duration({
    default: '10m',
    min: '0s',
    about:
      'a job that was started by a comment or an operator is queued as if it had already waited this much longer than others of its project',
  }),
});

/** Only differences matter, and only rechecks have a person waiting for the result. */
export function buildHeadStarts({ recheck }: z.output<typeof headStart>): Config['headStartsMs'] {
  return { patchset: 0, recheck, restored: 0, vote: 0, ready: 0 };
}

const project = z.strictObject({
  concurrency: optionalInteger({
    min: 1,
    max: 1000,
    about: 'jobs for this project at the same time, on all providers; without it there is no limit',
  }),
  priority: duration({
    default: '0s',
    min: '0s',
    about:
      'projects take turns on each provider; this project counts as if its last turn had been this much longer ago',
  }),
});

export const projects = z.record(z.string(), project.prefault({}));

export function buildProjects(file: z.output<typeof projects>): Config['projects'] {
  const built = Object.entries(file).map(([name, { concurrency, priority }]) => {
    return [name, { concurrency, priorityMs: priority }] as const;
  });
  return Object.fromEntries(built);
}

export function checkProjects(root: unknown, add: ReportProblem): void {
  const [file, jobs] = [at(root, ['projects']), at(root, ['jobs'])];
  if (!isMapping(file)) return;
  const tested = isMapping(jobs) ? Object.values(jobs).flatMap(projectsOf) : [];
  for (const name of Object.keys(file)) {
    const path = ['projects', name];
    const wrong = projectPattern(name);
    if (wrong !== null) add(path, `the name ${wrong.what}`, wrong.next);
    else if (name.includes('*'))
      add(path, 'is a pattern, but must be a name', 'write each project that needs its own limit');
    else if (tested.length > 0 && !tested.some((pattern) => overlap(pattern, name))) {
      const near = nearest(name, tested);
      const next = near === null ? 'correct the name, or remove it' : `did you mean "${near}"?`;
      add(path, 'no job tests this project, so this has no effect', next);
    }
  }
}

function projectsOf(job: unknown): readonly string[] {
  const named = at(job, ['project']);
  return (Array.isArray(named) ? named : [named]).filter((one) => typeof one === 'string');
}

export const backends = z.record(
  z.string(),
  integer({ min: 1, max: 1000, about: 'how many jobs may use this back end at a time' }),
);

export function checkBackends(root: unknown, add: ReportProblem): void {
  const [file, jobs] = [at(root, ['backends']), at(root, ['jobs'])];
  const names = isMapping(file) ? Object.keys(file) : [];
  for (const name of names) {
    const wrong = entryName(name);
    if (wrong !== null) add(['backends', name], `the name ${wrong.what}`, wrong.next, 'key');
  }
  if (isMapping(jobs)) for (const job of Object.keys(jobs)) checkBackendNames(root, ['jobs', job], add);
}

/** The key `backends` of a job or a janitor. */
export function checkBackendNames(root: unknown, owner: readonly string[], add: ReportProblem): void {
  const [file, list] = [at(root, ['backends']), at(root, [...owner, 'backends'])];
  const names = isMapping(file) ? Object.keys(file) : [];
  if (!Array.isArray(list)) return;
  for (const [index, name] of list.entries()) {
    const path = [...owner, 'backends', index];
    if (list.indexOf(name) < index) add(path, 'is named twice', 'remove one');
    else if (!names.includes(name)) add(path, ...unknownBackend(name, names));
  }
}

function unknownBackend(name: unknown, names: readonly string[]): readonly [what: string, next: string] {
  const near = nearest(String(name), names);
  const next = near === null ? `add it: backends: {${String(name)}: 1}` : `did you mean "${near}"?`;
  return [`there is no back end ${describe(name)}`, next];
}
