/** `secrets` of a job: what is copied to its servers, and who can read it according to the operator. */
import { basename } from 'node:path';
import { z } from 'zod';
import type { SecretSource } from '../../machines/model/domain.ts';
import { secretValues } from '../../machines/model/secret-values.ts';
import type { PasswordSource } from '../config.ts';
import { notOneOf, optionalText, secretSource, sourceOf } from '../fields/fields.ts';
import { resolveSource } from '../fields/password.ts';
import type { Problem } from '../file/config-error.ts';
import { readSecret } from '../file/secrets.ts';
import { at, isMapping, type ReportProblem, type YamlDocument } from '../file/yaml-document.ts';

const AUDIENCES = ['anyone', 'requireVote', 'authors'] as const;

/** One for each back end and service of a large lab. */
const MAX_SECRETS = 20;

export const secretKeys = {
  secrets: z
    .array(
      secretSource({
        about:
          "a secret that the job's servers get, as a file, named after the source file or the variable, in the directory SOS_CI_SECRETS. Anyone who can upload a change can read it: docs/stages.md",
        hint: 'write [{file: PATH}] or [{env: NAME}]',
      }),
    )
    .max(MAX_SECRETS)
    .prefault([]),
  exposesSecretsTo: optionalText({
    kind: AUDIENCES.join(', '),
    check: (value) => (AUDIENCES.some((one) => one === value) ? null : notOneOf(value, AUDIENCES)),
    about:
      'who can read the secrets of this job by uploading a change: anyone; those whose change got a vote listed under votes, if only votes start the job; or the uploaders listed under uploaders.include. Required with secrets',
  }),
};

export function buildJobSecrets(
  sources: readonly PasswordSource[],
  path: (path: string) => string,
): readonly SecretSource[] {
  return sources.map((source) => ({ name: fileName(source), ...resolveSource(source, path) }));
}

/** A credential of this CI itself. */
export interface OwnCredential {
  /** Where the configuration names it. */
  readonly key: string;
  readonly values: readonly string[];
}

/** Reads every secret of every job once, for its errors and to keep its values out of evidence and logs. */
export function readJobSecrets(
  document: YamlDocument,
  environment: Readonly<Record<string, string | undefined>>,
  path: (path: string) => string,
  own: readonly OwnCredential[],
): { readonly values: readonly string[]; readonly problems: readonly Problem[] } {
  const values: string[] = [];
  const problems: Problem[] = [];
  for (const { where, source } of secretsIn(document.value)) {
    const problem = (what: string, next: string) =>
      problems.push({ ...document.position(where), path: where.join('.'), what, next });
    const read = readSecret(source, environment, path);
    if ('what' in read) {
      problem(read.what, read.next);
      continue;
    }
    const found = secretValues(read.text);
    const credentialOfCi = own.find((credential) => credential.values.some((value) => found.includes(value)));
    if (credentialOfCi !== undefined)
      problem(
        `holds a credential of this CI (${credentialOfCi.key})`,
        'tests could act as this CI: create a separate account',
      );
    else if (found.length === 0)
      problem(
        `${read.from} has fewer than 4 characters, or only lines of fewer than 8`,
        'a secret that short cannot be distinguished from other text',
      );
    else values.push(...found);
  }
  return { values, problems };
}

function secretsIn(root: unknown) {
  const jobs = at(root, ['jobs']);
  return (isMapping(jobs) ? Object.keys(jobs) : []).flatMap((job) => {
    const list = at(root, ['jobs', job, 'secrets']);
    return (Array.isArray(list) ? list : []).flatMap((item, index) => {
      const source = sourceOf(item);
      return source === null ? [] : [{ where: ['jobs', job, 'secrets', index], source }];
    });
  });
}

/** @param providers names of the providers */
export function checkJobSecrets(
  root: unknown,
  job: string,
  providers: readonly string[],
  add: ReportProblem,
): void {
  const path = ['jobs', job, 'secrets'];
  const list = at(root, path);
  const audience = at(root, ['jobs', job, 'exposesSecretsTo']);
  if (!Array.isArray(list) || list.length === 0) {
    if (audience !== undefined)
      add(['jobs', job, 'exposesSecretsTo'], 'has no effect without secrets', 'add secrets, or remove it');
    return;
  }
  checkNames(list, path, add);
  checkServers(root, job, providers, add);
  checkAudience(root, job, audience, add);
}

function checkNames(list: readonly unknown[], path: readonly string[], add: ReportProblem): void {
  const names = list.map((item) => {
    const source = sourceOf(item);
    return source === null ? null : fileName(source);
  });
  for (const [index, name] of names.entries()) {
    if (name === null) continue;
    if (!/^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(name))
      add([...path, index], `${JSON.stringify(name)} cannot be used as a file name`, 'rename the file');
    if (names.indexOf(name) < index)
      add([...path, index], `there are two secrets named ${name}`, 'rename one: they share a directory');
  }
}

/** Secrets go only to servers that do not outlive the job, or that are reset before the next one. */
function checkServers(root: unknown, job: string, providers: readonly string[], add: ReportProblem): void {
  const provider = at(root, ['jobs', job, 'provider']) ?? providers[0];
  const file = at(root, ['providers', String(provider)]);
  const type = isMapping(file) ? (file.type ?? 'local') : 'local';
  const path = ['jobs', job, 'secrets'];
  if (type === 'local')
    add(path, `would stay readable on this host, where ${provider} runs the tests`, 'use another provider');
  if (type === 'static' && at(file, ['reset']) === undefined)
    add(
      path,
      `would reach hosts of ${provider} on which processes of an earlier job may still run`,
      `add providers.${provider}.reset`,
    );
}

function checkAudience(root: unknown, job: string, audience: unknown, add: ReportProblem): void {
  const jobValue = (...key: string[]) => at(root, ['jobs', job, ...key]);
  const path = ['jobs', job, 'exposesSecretsTo'];
  if (audience === undefined)
    add(
      ['jobs', job, 'secrets'],
      'can be read by every change that this job tests',
      `declare who uploads them: add exposesSecretsTo: ${AUDIENCES.join(' | ')}`,
    );
  if (audience === 'requireVote') {
    const triggers = jobValue('triggers');
    const onlyVotes = Array.isArray(triggers) && triggers.every((one) => one === 'vote');
    const votes = jobValue('votes');
    const anyVoter = Array.isArray(votes) && votes.some((vote) => matchesEveryone(at(vote, ['by'])));
    if (!onlyVotes)
      add(
        path,
        'is not guaranteed: a recheck, or the end of requireVoteTimeout, starts the job without a vote',
        'add triggers: [vote] and votes: [{label, min, by}]',
      );
    else if (anyVoter)
      add(path, 'is not enough: anyone may cast the vote', 'name the voters: votes: [{by: [NAME]}]');
  }
  if (audience === 'authors') {
    const uploaders = jobValue('uploaders', 'include');
    if (!Array.isArray(uploaders) || uploaders.length === 0 || matchesEveryone(uploaders))
      add(
        path,
        'is not enough: anyone may upload a change for this job',
        'add uploaders: {include: [NAME]}; the author of a commit can be forged, the uploader cannot',
      );
  }
}

/** True for a pattern, or a list with one, that every account matches. */
function matchesEveryone(patterns: unknown): boolean {
  return (Array.isArray(patterns) ? patterns : [patterns]).some(
    (one) => typeof one === 'string' && /^\*+$/.test(one),
  );
}

function fileName({ file, env }: PasswordSource): string {
  return env ?? basename(file ?? '');
}
