/**
 * Finds all errors of a file that is valid YAML: violations of the schema, and conflicts between keys. The checks work
 * on a partly wrong file, so one error never hides another.
 */
import type { z } from 'zod';
import { describe, notOneOf } from './fields/fields.ts';
import type { Problem } from './file/config-error.ts';
import { at, type KeyPath, type ReportProblem, type YamlDocument } from './file/yaml-document.ts';
import { suggestKey } from './key-reference.ts';
import { checkJanitors } from './sections/janitors.ts';
import { checkJobs } from './sections/jobs.ts';
import { checkLogs } from './sections/logs.ts';
import { checkMail } from './sections/mail.ts';
import { checkProviders, PROVIDER_TYPES } from './sections/providers.ts';
import { checkBackends, checkProjects } from './sections/queue.ts';
import { checkReport } from './sections/report.ts';

/** Translates zod's errors into our wording, with their locations. */
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
    if (issue.code === 'invalid_union') {
      const { what, next } = notOneOf(value, PROVIDER_TYPES);
      return [problem(document, path, what, next)];
    }
    if (value === undefined) return [problem(document, path, 'is missing', missingHint(path))];
    const isList = issue.code === 'invalid_type' && issue.expected === 'array';
    const what = `must be ${isList ? 'a list' : 'a mapping of keys'}, not ${isSecret(path) ? 'a single value' : describe(value)}`;
    return [problem(document, path, what, isSecret(path) ? 'write [{file: PATH}] or [{env: NAME}]' : '')];
  });
}

/** True for a secret that was written instead of its source: its value is never shown. */
function isSecret(path: KeyPath): boolean {
  return path[0] === 'redact';
}

/** Conflicts between keys. */
export function crossProblems(document: YamlDocument): readonly Problem[] {
  const found: Problem[] = [];
  const root = document.value;
  const add: ReportProblem = (path, what, next, at = 'value') => {
    const position = at === 'key' ? document.keyPosition(path) : positionOf(document, path);
    found.push({ ...position, path: path.join('.'), what, next });
  };
  checkReport(root, add);
  checkLogs(root, add);
  checkMail(root, add);
  checkJobs(root, checkProviders(root, add), add);
  checkProjects(root, add);
  checkBackends(root, add);
  checkJanitors(root, add);
  return found;
}

/** Keys whose name suggests a secret. */
const SECRET = /pass(word|wd|phrase)?$|secret|token|credential|api[-_]?key|private/i;

function unknownKey(document: YamlDocument, path: KeyPath, key: string): Problem {
  const full = [...path, key];
  const position = document.keyPosition(full);
  const dotted = full.join('.');
  if (SECRET.test(key)) {
    const next =
      'remove it from here (and change it, if it is real): name the file that holds it, such as gerrit.key, or list it under redact as {file: PATH} or {env: NAME}';
    return { ...position, path: dotted, what: 'secrets do not belong in this file', next };
  }
  if (key === '<<') {
    const next = 'use an alias for a whole value (limits: *common), or write the keys out';
    return { ...position, path: dotted, what: 'merge keys are not supported', next };
  }
  return { ...position, path: dotted, what: 'unknown key', next: suggestKey(path, key, document.value) };
}

function problem(document: YamlDocument, path: KeyPath, what: string, next: string): Problem {
  return { ...positionOf(document, path), path: path.join('.'), what, next };
}

function positionOf(document: YamlDocument, path: KeyPath) {
  return at(document.value, path) === undefined
    ? document.keyPosition(path.slice(0, -1))
    : document.position(path);
}

function missingHint(path: KeyPath): string {
  const hints: Readonly<Record<string, string>> = {
    gerrit: 'add it: gerrit: {host: HOST, user: USER, key: PATH}',
    jobs: 'add at least one job: docs/configuration.md shows how',
    testing: 'add it: testing: {command: [./run-tests.sh], results: results.tap}',
  };
  return hints[String(path.at(-1))] ?? 'add it';
}
