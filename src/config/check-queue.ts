/** Mistakes in the keys of the queue that only show beside the jobs: a limit for what no job is for. */
import { overlap } from '../machines/trigger/rules/glob.ts';
import { projectPattern } from './fields/validators.ts';
import { nearest } from './file/config-error.ts';
import { at, isMapping, type KeyPath } from './file/yaml-document.ts';

type Add = (path: KeyPath, what: string, next: string) => void;

export function checkQueue(root: unknown, add: Add): void {
  const projects = at(root, ['projects']);
  const jobs = at(root, ['jobs']);
  if (!isMapping(projects)) return;
  const wanted = isMapping(jobs) ? Object.values(jobs).flatMap(projectsOf) : [];
  for (const name of Object.keys(projects)) {
    const path = ['projects', name];
    const wrong = projectPattern(name);
    if (wrong !== null) add(path, `the name ${wrong.what}`, wrong.next);
    else if (name.includes('*'))
      add(path, 'is a pattern, where a name is meant', 'write each project that needs a limit of its own');
    else if (wanted.length > 0 && !wanted.some((pattern) => overlap(pattern, name)))
      add(path, 'no job is for this project, so this limits nothing', hint(name, wanted));
  }
}

function projectsOf(job: unknown): readonly string[] {
  const project = at(job, ['project']);
  return (Array.isArray(project) ? project : [project]).filter((one) => typeof one === 'string');
}

function hint(name: string, wanted: readonly string[]): string {
  const near = nearest(name, wanted);
  return near === null ? 'correct the name, or remove it' : `did you mean "${near}"?`;
}
