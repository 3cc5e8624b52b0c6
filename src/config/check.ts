/**
 * Everything that can be wrong with a file that is valid YAML: what the schema finds, and what only several keys
 * together show. Works on half-right input, so that one mistake never hides another.
 */
import type { z } from 'zod';
import { checkLimits } from './check-limits.ts';
import { checkMail } from './check-mail.ts';
import { checkProviders } from './check-provider.ts';
import { checkQueue } from './check-queue.ts';
import { checkTriggers } from './check-triggers.ts';
import { named, Wrong } from './fields/fields.ts';
import { parseDuration } from './fields/units.ts';
import { jobName } from './fields/validators.ts';
import { nearest, type Problem } from './file/config-error.ts';
import { at, isMapping, type KeyPath, type YamlDocument } from './file/yaml-document.ts';
import { suggestKey } from './key-reference.ts';

/** The mistakes that zod found, in our words and with their places. */
export function schemaProblems(
  document: YamlDocument,
  issues: readonly z.core.$ZodIssue[],
): readonly Problem[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
    if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(document, path, key));
    const value = at(document.value, path);
    if (issue.code === 'custom') {
      const next: unknown = issue.params?.next;
      return [problem(document, path, issue.message, typeof next === 'string' ? next : '')];
    }
    if (value === undefined) return [problem(document, path, 'is missing', missingHint(path))];
    const wanted =
      issue.code === 'invalid_type' && issue.expected === 'array' ? 'a list' : 'a mapping of keys';
    const password = path.at(-1) === 'password';
    const secret = (path[0] === 'redact' || password) && typeof value !== 'object';
    const next = secret ? (password ? PASSWORD_HINT : 'write [{file: PATH}] or [{env: NAME}]') : '';
    return [problem(document, path, `must be ${wanted}, not ${secret ? 'a text' : named(value)}`, next)];
  });
}

const PASSWORD_HINT = 'write {file: PATH} or {env: NAME}, and change the password: it has been in this file';

/** Mistakes between keys. */
export function crossProblems(document: YamlDocument): readonly Problem[] {
  const found: Problem[] = [];
  const root = document.value;
  const add = (path: KeyPath, what: string, next: string): void => {
    found.push(problem(document, path, what, next));
  };
  checkVotes(root, add);
  checkOrder(root, ['gerrit', 'backoffMin'], ['gerrit', 'backoffMax'], add);
  checkOrder(root, ['report', 'postRetry'], ['report', 'postRetryMax'], add);
  checkMail(root, add);
  checkOrder(root, ['intake', 'retry'], ['intake', 'retryMax'], add);
  checkOrder(root, ['intake', 'overlap'], ['intake', 'remember'], add);
  const providers = checkProviders(root, add);
  const jobs = at(root, ['jobs']);
  if (isMapping(jobs)) {
    if (Object.keys(jobs).length === 0)
      add(['jobs'], 'names no job', 'add one: docs/configuration.md shows how');
    for (const name of Object.keys(jobs)) checkJob(root, name, providers, add, document, found);
  }
  checkTriggers(root, add);
  checkQueue(root, add);
  checkLimits(root, add);
  return found;
}

export type Add = (path: KeyPath, what: string, next: string) => void;

/** Keys that look like the place of a secret. */
const SECRET = /pass(word|wd|phrase)?$|secret|token|credential|api[-_]?key|private/i;

function unknownKey(document: YamlDocument, path: KeyPath, key: string): Problem {
  const full = [...path, key];
  const place = document.keyPlace(full);
  const dotted = full.join('.');
  if (SECRET.test(key)) {
    const next =
      'remove it from here (and change it, if it is real): name the file that holds it, such as gerrit.key, or list it under redact as {file: PATH} or {env: NAME}';
    return { ...place, path: dotted, what: 'secrets do not belong in this file', next };
  }
  if (key === '<<') {
    const next = 'use an alias for a whole value (limits: *common), or write the keys out';
    return { ...place, path: dotted, what: 'merge keys are not supported', next };
  }
  return { ...place, path: dotted, what: 'unknown key', next: suggestKey(path, key, document.value) };
}

function problem(document: YamlDocument, path: KeyPath, what: string, next: string): Problem {
  const place =
    at(document.value, path) === undefined ? document.keyPlace(path.slice(0, -1)) : document.place(path);
  return { ...place, path: path.join('.'), what, next };
}

function missingHint(path: KeyPath): string {
  const hints: Readonly<Record<string, string>> = {
    gerrit: 'add it: gerrit: {host: HOST, user: USER, key: PATH}',
    jobs: 'add at least one job: docs/configuration.md shows how',
    testing: 'add it: testing: {command: [./run-tests.sh], results: results.tap}',
  };
  return hints[String(path.at(-1))] ?? 'add it';
}

function checkVotes(root: unknown, add: Add): void {
  if (typeof at(root, ['report', 'label']) === 'string') return;
  for (const key of ['success', 'failure']) {
    const vote = at(root, ['report', key]);
    if (typeof vote !== 'number' || vote === 0) continue;
    add(
      ['report', key],
      'is a vote without a label',
      'add report.label, such as Verified, or remove the vote',
    );
  }
}

function checkOrder(root: unknown, low: KeyPath, high: KeyPath, add: Add): void {
  const [from, to] = [at(root, low), at(root, high)];
  if (typeof from !== 'string' || typeof to !== 'string') return;
  const [least, most] = [parseDuration(from), parseDuration(to)];
  if (least === null || most === null || least <= most) return;
  add(high, `is shorter than ${low.join('.')} (${from})`, 'make it at least as long');
}

function checkJob(
  root: unknown,
  name: string,
  providers: readonly string[],
  add: Add,
  document: YamlDocument,
  found: Problem[],
): void {
  const wrong = jobName(name);
  if (wrong instanceof Wrong) {
    const place = document.keyPlace(['jobs', name]);
    found.push({ ...place, path: `jobs.${name}`, what: `the name ${wrong.what}`, next: wrong.next });
  }
  const provider = at(root, ['jobs', name, 'provider']);
  if (typeof provider === 'string' && !providers.includes(provider)) {
    const near = nearest(provider, providers);
    const next = near === null ? `known: ${providers.join(', ')}` : `did you mean "${near}"?`;
    add(['jobs', name, 'provider'], `there is no provider ${named(provider)}`, next);
  }
  if (provider === undefined && providers.length > 1 && isMapping(at(root, ['jobs', name]))) {
    add(
      ['jobs', name, 'provider'],
      'is missing, and there is more than one',
      `choose one of ${providers.join(', ')}`,
    );
  }
  const testing = at(root, ['jobs', name, 'testing']);
  if (!isMapping(testing) || testing.exitCodeIsResult === true) return;
  if (testing.results !== undefined && testing.results !== null) return;
  const next =
    'add results: FILE (the TAP file that the tests write), or exitCodeIsResult: true if any exit code but 0 means that a test failed';
  add(
    ['jobs', name, 'testing'],
    'nothing says what a failed test is, so this job could never be FAILURE',
    next,
  );
}
