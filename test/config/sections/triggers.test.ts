/** What starts a job: the parsed rules, and every error with its position and the next step. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/file/config-error.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { triggerRules } from '../../../src/config/sections/triggers.ts';
import { ROOT } from '../../house/source.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-triggers-'));
  writeFileSync(join(dir, 'key'), 'key');
});
afterEach(() => rmSync(dir, { recursive: true }));

const HEAD = 'gerrit: {host: localhost, user: acme-ci, key: ./key}';
const TESTING = 'testing: {command: [make], exitCodeIsResult: true}';

function load(jobs: string, top = '') {
  const file = join(dir, 'sos-ci.yaml');
  writeFileSync(file, `${HEAD}\n${top}\njobs:\n${jobs}\n`);
  return loadConfig(file, { home: dir, environment: {} });
}
function job(keys: string, top = '') {
  const [rules] = triggerRules(
    load(`  acme: {project: p, ${keys === '' ? '' : `${keys}, `}${TESTING}}`, top),
  ).jobs;
  return rules;
}
/** The errors, without file and line. */
function mistakes(jobs: string, top = ''): readonly string[] {
  try {
    load(jobs, top);
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map(({ path, what, next }) => `${path}: ${what}; ${next}`);
    throw error;
  }
  return [];
}
const mistake = (keys: string, top = '') => mistakes(`  acme: {project: p, ${keys}, ${TESTING}}`, top);

describe('a job', () => {
  test('without rules accepts everything of its project', () => {
    expect(job('')).toEqual({
      name: 'acme',
      projects: ['p'],
      branches: ['*'],
      triggers: ['patchset', 'recheck', 'restored', 'vote', 'ready'],
      topics: [],
      hashtags: [],
      kinds: { include: [], exclude: [] },
      uploaders: { include: [], exclude: [] },
      authors: { include: [], exclude: [] },
      commenters: { include: [], exclude: [] },
      comments: [],
      votes: [],
      requiredVote: null,
    });
  });

  test('may be for several projects', () => {
    const config = load(`  acme: {project: [openstack/cinder, 'openstack/os-*'], ${TESTING}}`);
    expect(triggerRules(config).jobs[0]?.projects).toEqual(['openstack/cinder', 'openstack/os-*']);
  });

  test('has rules that exclude events', () => {
    const rules = job(
      `topics: [acme-*], hashtags: [acme], kinds: {exclude: [TRIVIAL_REBASE]}, uploaders: {include: ['*@acme.example']},
       commenters: {exclude: [bob]}, comments: ['^check acme'], votes: [{label: Workflow, min: 1, by: '*'}]`,
    );
    expect(rules).toMatchObject({
      topics: ['acme-*'],
      hashtags: ['acme'],
      kinds: { include: [], exclude: ['TRIVIAL_REBASE'] },
      uploaders: { include: ['*@acme.example'], exclude: [] },
      commenters: { include: [], exclude: ['bob'] },
      comments: ['^check acme'],
      votes: [{ label: 'Workflow', value: null, min: 1, by: ['*'], from: [] }],
    });
  });

  test('stores its file patterns in the plan of a run', () => {
    const { jobs } = load(
      `  acme: {project: p, files: {include: ['^cinder/'], exclude: [docs]}, ${TESTING}}`,
    );
    expect(jobs[0]?.spec.files).toEqual({ include: ['^cinder/'], exclude: ['docs'] });
  });

  test('waits for its own required vote, for the common one, or for none', () => {
    const top = 'triggers: {requireVote: zuul Verified+1, requireVoteTimeout: 2h}';
    const requiredVote = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 7_200_000 };
    expect(job('', top)?.requiredVote).toEqual(requiredVote);
    expect(job('requireVote: jenkins Code-Review-2', top)?.requiredVote).toEqual({
      ...requiredVote,
      account: 'jenkins',
      label: 'Code-Review',
      value: -2,
    });
    expect(job('requireVote: none', top)?.requiredVote).toBe(null);
  });
});

test('rules for all jobs', () => {
  const { jobs, ...rules } = triggerRules(
    load(
      `  acme: {project: p, ${TESTING}}`,
      'triggers: {recheck: false, ciAccounts: [robot], humanAccounts: [marie-ci], rateLimits: {change: 3}, includeWip: true}',
    ),
  );
  expect(jobs).toHaveLength(1);
  expect(rules).toEqual({
    account: 'acme-ci',
    name: null,
    recheck: false,
    ciAccounts: ['robot'],
    people: ['marie-ci'],
    wip: true,
    private: false,
    limits: { change: 3, author: 200, project: 400, total: 1_000 },
    supersede: 'running',
  });
});

describe('an error', () => {
  test.each([
    ["branches: ['^stable/.*']", 'branches.0', 'not a branch pattern', 'not a regular expression'],
    ["topics: ['^acme.*$']", 'topics.0', 'looks like a regular expression', 'only * is special'],
    ["comments: ['*.py']", 'comments.0', 'not a regular expression', 'not a glob'],
    ["comments: ['(?=x)']", 'comments.0', 'not a regular expression', 'lookaround'],
    ["files: {include: ['(']}", 'files.include.0', 'missing closing )', 'RE2'],
    ["files: {exclude: [docs, '[']}", 'files.exclude.1', 'missing closing ]', 'RE2'],
    ["files: {exlude: ['x']}", 'files.exlude', 'unknown key', 'did you mean "exclude"?'],
    ['files: [x]', 'files', 'must be a mapping of keys', ''],
    [
      'kinds: {include: [TRIVIAL_REBAS]}',
      'kinds.include.0',
      'holds "TRIVIAL_REBAS"',
      'did you mean "TRIVIAL_REBASE"?',
    ],
    ['triggers: [patch]', 'triggers.0', 'holds "patch"', 'did you mean "patchset"?'],
    ['triggers: [pushed]', 'triggers.0', 'holds "pushed"', 'known: patchset, recheck'],
    ['triggers: []', 'triggers', 'nothing starts this job', 'name some'],
    ['triggers: [vote]', 'triggers', 'no vote is described', 'add votes'],
    ['triggers: [patchset], comments: [x]', 'comments', 'triggers does not name recheck', 'add recheck'],
    [
      'triggers: [recheck], votes: [{label: V, value: 1, by: z}]',
      'votes',
      'triggers does not name vote',
      'add vote',
    ],
    ['votes: [{label: V, by: z}]', 'votes.0', 'either value or min', 'min: 1 means 1 or more'],
    [
      'votes: [{label: V, by: z, value: 1, min: 1}]',
      'votes.0',
      'either value or min',
      'value: 1 means exactly 1',
    ],
    ['votes: [{label: V, value: 1}]', 'votes.0.by', 'is missing', 'who votes'],
    ['votes: [{label: V, value: 1, by: []}]', 'votes.0.by', 'is empty', 'at least one'],
    ["votes: [{label: V, value: '1', by: z}]", 'votes.0.value', 'must be a whole number', ''],
    ['votes: [{label: V, value: 1, by: z, from: [0, 99]}]', 'votes.0.from.1', 'must be from -10 to 10', ''],
    ['requireVote: zuul', 'requireVote', 'is not a vote', 'zuul Verified+1'],
    ['requireVote: zuul Verified+0', 'requireVote', 'waits for a vote of 0', 'cannot be cast'],
    ['uploaders: {inlcude: [x]}', 'uploaders.inlcude', 'unknown key', 'did you mean "include"?'],
    [`comments: [${Array(101).fill('a').join(', ')}]`, 'comments', 'more than 100 items', ''],
  ])('%s', (keys, path, what, next) => {
    const found = mistake(keys);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(`jobs.acme.${path}: `);
    expect(found[0]).toContain(what);
    expect(found[0]).toContain(next);
  });

  test.each([
    ["'^openstack/.*'", 'not a project pattern'],
    ['[]', 'is empty'],
    ["['a b']", 'has a space in it'],
    ['../x', 'not a project name'],
  ])('in a project: %s', (project, what) => {
    expect(mistakes(`  acme: {project: ${project}, ${TESTING}}`)[0]).toContain(what);
  });

  test('has its position', () => {
    writeFileSync(
      join(dir, 'sos-ci.yaml'),
      `${HEAD}\ntriggers:\n  recheks: false\njobs:\n  a: {project: p, ${TESTING}}\n`,
    );
    expect(() => loadConfig(join(dir, 'sos-ci.yaml'), { home: dir })).toThrow(
      /sos-ci.yaml:3:3: triggers.recheks: unknown key; did you mean "recheck"\?$/,
    );
  });
});

describe('jobs that wait for different votes', () => {
  const two = (a: string, b: string) =>
    mistakes(`  a: {${a}, ${TESTING}}\n  b: {${b}, ${TESTING}}`, 'triggers: {requireVote: zuul Verified+1}');

  test.each([
    ['project: p', 'project: p', 0],
    ['project: p', 'project: p, requireVote: none', 1],
    ['project: p', "project: '*', requireVote: zuul Verified+2", 1],
    ['project: p', 'project: q, requireVote: none', 0],
    ['project: p, branches: [master]', 'project: p, branches: [stable/*], requireVote: none', 0],
    ['project: p, branches: [master, s*]', 'project: p, branches: [stable/*], requireVote: none', 1],
    ['project: p', 'project: p, requireVote: none, triggers: [recheck]', 0],
  ])('%s and %s: %s', (a, b, expected) => {
    const found = two(a, b);
    expect(found).toHaveLength(expected);
    expect(found.join()).toMatch(expected === 0 ? /^$/ : /^jobs.b.requireVote: differs from that of a/);
  });
});

test('the example of docs/rules.md works', () => {
  const documented = readFileSync(join(ROOT, 'docs', 'rules.md'), 'utf8');
  const example = /```yaml\n(gerrit:[\s\S]*?)```/.exec(documented)?.[1] ?? '';
  const file = join(dir, 'sos-ci.yaml');
  writeFileSync(file, example.replace('review.opendev.org', 'localhost').replace('~/.ssh/acme-ci', 'key'));
  const [job] = triggerRules(loadConfig(file, { home: dir, environment: {} })).jobs;
  expect(job).toMatchObject({
    name: 'acme-iscsi',
    branches: ['master', 'stable/*'],
    requiredVote: { account: 'zuul' },
  });
});
