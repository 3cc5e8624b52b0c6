import { describe, expect, test } from 'vitest';
import { findJob } from '../../../src/cli/input/resolve-id.ts';
import type { JobView } from '../../../src/engine/ports/store.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { SAMPLE } from '../sample.ts';

const [sample] = SAMPLE.jobs as readonly [JobView];
const job = (id: string, change: number, patchset: number): JobView => ({ ...sample, id, change, patchset });
const reader = fakeReader({
  jobs: [
    job('j1m8qk50cw8waaaa', 912345, 3),
    job('j1m8qk51aaaabbbb', 912345, 4),
    job('j1m8qk52aaaacccc', 912345, 4),
    job('j9zzzzzzzzzzdddd', 912400, 1),
  ],
});

describe('a job', () => {
  test.each([
    ['j1m8qk50', 'j1m8qk50cw8waaaa'],
    ['912400', 'j9zzzzzzzzzzdddd'],
    ['912345,3', 'j1m8qk50cw8waaaa'],
    ['https://review.example/c/openstack/cinder/+/912345/3', 'j1m8qk50cw8waaaa'],
    ['https://review.example/c/openstack/cinder/+/912400', 'j9zzzzzzzzzzdddd'],
    ['https://review.example/#/c/912345/3/', 'j1m8qk50cw8waaaa'],
    ['https://review.example/912400', 'j9zzzzzzzzzzdddd'],
    ['https://logs.example/45/912345/3/check/acme/j1m8qk50cw8w/', 'j1m8qk50cw8waaaa'],
    ['https://logs.example/45/912345/3/check/acme/j1m8qk50cw8w/logs/c-vol.txt#L120', 'j1m8qk50cw8waaaa'],
  ])('by %s', (typed, id) => {
    expect(findJob(reader, typed).id).toBe(id);
  });

  test('several are listed', () => {
    const of = (typed: string) => () => findJob(reader, typed);
    expect(of('j1m8qk5')).toThrow('several jobs begin with "j1m8qk5":\n  j1m8qk50cw8waaaa  912345,3');
    expect(of('912345,4')).toThrow('several jobs belong to "912345,4":\n  j1m8qk52aaaacccc');
  });

  test.each([
    '',
    'nothing',
    '912345,',
    '912345,9',
    '1',
    'https://logs.example/',
    'https://logs.example/45/j1m8qk99/',
  ])('%j: none', (typed) => {
    expect(() => findJob(reader, typed)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});
