/** 10,000 hostile texts (by default a twentieth), the same in each run, for all code that takes text from outside. */
import fc from 'fast-check';
import { runs } from '../fixtures/effort.ts';
import { hostileText } from '../machines/comment/hostile.ts';

/** Parts that break the parsing of options, paths, refs, quoted words and headers. */
const TOKENS = [
  '-',
  '--upload-pack=touch /tmp/x',
  '-oProxyCommand=x',
  'ext::sh -c x',
  '..',
  '../',
  '/',
  '.lock',
  '@{',
  '@',
  '~',
  '^',
  ':',
  '?',
  '*',
  '[',
  '\\',
  '|',
  ';',
  '&',
  '`id`',
  '$IFS',
  '$(id)',
  '%00',
  '{project}',
  '#',
  "'\\''",
  'refs/changes/45/912345/3',
  'refs/heads/',
  'stable/2026.1',
  'openstack/cinder',
  'openstack',
  'master',
  '\r\nBcc: evil@example.org',
  '=?utf-8?q?=0ABcc:?=',
  '\u009b31m',
  '\u001b]0;title\u0007',
] as const;

const joinedTokens = fc
  .array(fc.constantFrom(...TOKENS), { minLength: 1, maxLength: 4 })
  .map((tokens) => tokens.join(''));

export const HOSTILE_TEXTS: readonly string[] = fc.sample(fc.oneof(joinedTokens, hostileText), {
  seed: 20261122,
  numRuns: runs(10_000),
});

/** Splits `all` into batches that fit one process, transaction or table. */
export function inBatches<T>(all: readonly T[], size: number): readonly (readonly T[])[] {
  const count = Math.ceil(all.length / size);
  return Array.from({ length: count }, (_, index) => all.slice(index * size, (index + 1) * size));
}
