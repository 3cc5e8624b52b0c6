/** Mistakes in `limits` that only show beside the jobs: an ending that takes longer than anybody waits for it. */

import { leafDoc } from './fields/fields.ts';
import { parseDuration } from './fields/units.ts';
import { at, isMapping, type KeyPath } from './file/yaml-document.ts';
import { jobLimits } from './sections/jobs.ts';
import { limits } from './sections/limits.ts';

type Add = (path: KeyPath, what: string, next: string) => void;

/** A stage is given up after stopTimeout: then it must have had its grace, and been killed. */
export function checkLimits(root: unknown, add: Add): void {
  const jobs = at(root, ['jobs']);
  const written = (['stopGrace', 'stopKill'] as const).find((key) => at(root, ['limits', key]) !== undefined);
  if (written === undefined || !isMapping(jobs)) return;
  const grace = durationOf(at(root, ['limits', 'stopGrace']), limits.shape.stopGrace);
  const kill = durationOf(at(root, ['limits', 'stopKill']), limits.shape.stopKill);
  for (const name of Object.keys(jobs)) {
    const key = ['jobs', name, 'limits', 'stopTimeout'];
    const timeout = durationOf(at(root, key), jobLimits.shape.stopTimeout);
    if (grace === null || kill === null || timeout === null || grace + kill <= timeout) continue;
    add(
      ['limits', written],
      `stopGrace and stopKill together are longer than ${key.join('.')} (${timeout / 1000} s)`,
      'raise that, or lower these',
    );
  }
}

/** What is written, or else the default. */
function durationOf(value: unknown, schema: object): number | null {
  const text = value ?? leafDoc(schema)?.default;
  return typeof text === 'string' ? parseDuration(text) : null;
}
