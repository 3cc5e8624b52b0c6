/** Expands the presets of jobs into ordinary keys, before the whole file is checked. */
import { schemaProblems } from './check.ts';
import type { Problem } from './file/config-error.ts';
import { at, isMapping, type YamlDocument } from './file/yaml-document.ts';
import { expandPreset, presetKeys, presetSchema } from './sections/preset.ts';

/** Positions refer to the file before expansion. */
export function expandPresets(document: YamlDocument): YamlDocument {
  const jobs = at(document.value, ['jobs']);
  if (!isMapping(document.value) || !isMapping(jobs)) return document;
  const problems: Problem[] = [];
  const expanded = Object.entries(jobs).map(([name, job]) => [name, expand(document, name, job, problems)]);
  return {
    ...document,
    value: { ...document.value, jobs: Object.fromEntries(expanded) },
    problems: [...document.problems, ...problems],
  };
}

function expand(document: YamlDocument, name: string, job: unknown, problems: Problem[]): unknown {
  if (!isMapping(job)) return job;
  const add = (key: string, what: string, next: string) => {
    const path = ['jobs', name, key];
    problems.push({ ...document.keyPosition(path), path: path.join('.'), what, next });
  };
  const given = Object.keys(presetKeys).filter((key) => Object.hasOwn(job, key));
  if (!Object.hasOwn(job, 'preset')) {
    for (const key of given)
      add(key, 'belongs to a preset', 'add preset: devstack-tempest, or write it under stacking and testing');
    return job;
  }
  const checked = presetSchema.safeParse(Object.fromEntries(given.map((key) => [key, job[key]])));
  if (checked.success) return expandPreset(checked.data, job);
  const issues = checked.error.issues.map((one) => ({ ...one, path: ['jobs', name, ...one.path] }));
  problems.push(...schemaProblems(document, issues));
  return expandPreset(presetSchema.parse({}), job);
}
