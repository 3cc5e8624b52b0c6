/**
 * Which jobs would start on a change now, and what prevents them: the trigger, the limits, the checks of the review.
 */
import { describe, expect, test } from 'vitest';
import { type DryRunInput, dryRun } from '../../src/machines/dry-run.ts';
import type { CurrentChange } from '../../src/machines/model/gerrit-event.ts';
import type { TriggerRules } from '../../src/machines/trigger/trigger.ts';
import { PATCHSET } from './facts.ts';
import { jobRules, triggerRules } from './rule-facts.ts';
import { factsOf } from './trigger/trigger-facts.ts';

const DEV = { username: 'dev', name: 'Dev', email: '' };
const REQUIRED_VOTE = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 1_000 };
const CHANGE: CurrentChange = {
  patchset: PATCHSET,
  status: 'open',
  kind: 'REWORK',
  wip: false,
  private: false,
  uploader: DEV,
  author: DEV,
  hashtags: [],
  files: ['doc/a.rst'],
  votes: [],
};

/** For a new patchset and for a recheck: whether a run starts, by which rule, and which jobs. */
function summarize(
  change: Partial<CurrentChange>,
  rules: Partial<TriggerRules> = {},
  more: Partial<DryRunInput> = {},
): readonly string[] {
  const options: DryRunInput = {
    rules: triggerRules(rules),
    files: new Map(),
    facts: factsOf(),
    ...more,
  };
  return dryRun({ ...CHANGE, ...change }, options).map(({ starts, rule, jobs }) => {
    const begun = jobs.filter((job) => job.starts).map(({ job }) => job);
    expect(begun.length > 0).toBe(starts);
    return [`${starts ? '+' : ''}${rule}`, ...begun].join(' ');
  });
}

describe('an open change', () => {
  test.each<[string, Partial<CurrentChange>, Partial<TriggerRules>, readonly string[]]>([
    ['starts', {}, {}, ['+patchset acme-dsvm', '+recheck acme-dsvm']],
    ['of another project', {}, { jobs: [jobRules({ projects: [] })] }, ['project', 'project']],
    [
      'of an excluded kind',
      { kind: 'NO_CHANGE' },
      { jobs: [jobRules({ kinds: { include: [], exclude: ['NO_CHANGE'] } })] },
      ['kind', '+recheck acme-dsvm'],
    ],
    ['in progress', { wip: true }, {}, ['wip', 'wip']],
    ['by another CI', { uploader: { ...DEV, name: 'Other CI' } }, {}, ['ci-account', 'ci-account']],
    ['by ourselves', { uploader: { ...DEV, username: 'acme-ci' } }, {}, ['own-account', 'own-account']],
    ['without rechecks', {}, { recheck: false }, ['+patchset acme-dsvm', '+run-ci acme-dsvm']],
  ])('%s', (_what, change, rules, expected) => {
    expect(summarize(change, rules)).toEqual(expected);
  });

  test.each([['merged' as const], ['abandoned' as const]])('that is %s starts nothing', (status) => {
    expect(summarize({ status })).toEqual(['closed', 'closed']);
  });

  test('is checked against open reviews and earlier starts', () => {
    expect(
      summarize(
        {},
        {},
        { facts: factsOf([{ id: 'r', patchset: 3, branch: 'master', jobs: ['acme-dsvm'] }]) },
      ),
    ).toEqual(['running', 'running']);
    const { project, change } = PATCHSET;
    const starts = Array.from({ length: 20 }, (_, at) => ({
      review: `r${at}`,
      project,
      change,
      by: 'dev',
      at,
    }));
    expect(summarize({}, {}, { facts: factsOf([], { starts: () => starts }) })).toEqual([
      'limit-change',
      'limit-change',
    ]);
  });
});

describe('files', () => {
  const docs = { include: [], exclude: ['docs'] };
  const jobs = [jobRules({ name: 'a' }), jobRules({ name: 'b' })];
  const decide = (files: readonly string[] | null, b = docs) =>
    summarize(
      { files },
      { jobs },
      {
        files: new Map([
          ['a', docs],
          ['b', b],
        ]),
      },
    );

  test('decide for each job', () => {
    expect(decide(['doc/a.rst'])).toEqual(['files', 'files']);
    expect(decide(['doc/a.rst'], { include: [], exclude: [] })).toEqual(['+patchset b', '+recheck b']);
    expect(decide(['cinder/a.py'])).toEqual(['+patchset a b', '+recheck a b']);
    expect(decide(null)).toEqual(['+patchset a b', '+recheck a b']);
  });

  test('are named in the reason', () => {
    const options = {
      rules: triggerRules(),
      files: new Map([['acme-dsvm', docs]]),
      facts: factsOf(),
    };
    const whys = (files: readonly string[]) =>
      dryRun({ ...CHANGE, files }, options).map(({ why, jobs: [job] }) => [why, job?.why]);
    expect(whys(['a.py'])[0]).toEqual(['new patchset', 'new patchset; a.py is touched']);
    expect(whys(['a.rst'])[0]).toEqual(['only documentation is touched', 'only documentation is touched']);
  });
});

describe('a required vote', () => {
  const forecasts = (votes: CurrentChange['votes']) =>
    dryRun(
      { ...CHANGE, votes },
      {
        rules: triggerRules({ jobs: [jobRules({ requiredVote: REQUIRED_VOTE })] }),
        files: new Map(),
        facts: factsOf(),
      },
    );

  test('is named if it is missing, and a request does not wait for it', () => {
    expect(forecasts([]).map(({ requiredVote, why }) => [requiredVote, why])).toEqual([
      [REQUIRED_VOTE, 'new patchset, after zuul Verified+1'],
      [null, 'recheck by dev'],
    ]);
  });

  test('is not waited for when it was cast', () => {
    expect(forecasts([{ account: 'zuul', label: 'Verified', value: 2 }])[0]).toMatchObject({
      requiredVote: null,
      why: 'new patchset',
    });
    expect(forecasts([{ account: 'bob', label: 'Verified', value: 1 }])[0]?.requiredVote).toEqual(
      REQUIRED_VOTE,
    );
  });

  test('of the opposite sign keeps a patchset from starting, and no request', () => {
    const [patchset, recheck] = forecasts([{ account: 'zuul', label: 'Verified', value: -1 }]);
    expect(patchset).toMatchObject({ starts: false, rule: 'require-vote', why: 'zuul voted Verified-1' });
    expect(recheck?.starts).toBe(true);
  });
});
