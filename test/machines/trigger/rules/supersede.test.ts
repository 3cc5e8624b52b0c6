/** Which reviews a newer patchset supersedes, by configuration. */
import { expect, test } from 'vitest';
import { superseded } from '../../../../src/machines/trigger/rules/supersede.ts';

const open = [
  { id: 'running', patchset: 1, begun: true },
  { id: 'queued', patchset: 2, begun: false },
  { id: 'same', patchset: 3, begun: false },
  { id: 'newer', patchset: 4, begun: false },
];

test.each([
  ['running', ['running', 'queued']],
  ['queued', ['queued']],
  ['never', []],
] as const)('%s: %j', (mode, ended) => {
  expect(superseded(open, 3, mode).map(({ id }) => id)).toEqual(ended);
  expect(superseded([], 3, mode)).toEqual([]);
});
