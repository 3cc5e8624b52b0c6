/** The actions of the suite about Gerrit's behaviour, and the parsing of the results. */
import { expect } from 'vitest';
import type { GerritFixture, Ran, StreamOutput } from './gerrit-fixture.ts';

export type Json = Record<string, unknown>;

export const PROJECT = 'contract/cinder';
export const AT = expect.any(Number);
export const SHA = expect.stringMatching(/^[0-9a-f]{40}$/);
export const DEV = { name: 'Dee Veloper', email: 'dev@example.org', username: 'dev' };
export const ACME = { name: 'Acme CI', email: 'acme-ci@example.org', username: 'acme-ci' };

/** Pushes one commit for review on top of the branch; returns the number of its change. */
export async function push(
  fixture: GerritFixture,
  content: Readonly<Record<string, string>> = { 'word.txt': `${Math.random()}\n` },
  { options = '' }: { readonly options?: string } = {},
): Promise<number> {
  await done(fixture.git('clone', 'fetch', '-q', 'origin', 'master'));
  await done(fixture.git('clone', 'checkout', '-q', '--detach', 'FETCH_HEAD'));
  await done(fixture.git('clone', 'clean', '-qfd'));
  await fixture.commit('clone', 'A change', content);
  const { stderr } = await done(fixture.git('clone', 'push', 'origin', `HEAD:refs/for/master${options}`));
  return Number(/\/\+\/(\d+) /.exec(stderr)?.[1]);
}

/** The next patchset of the change that was pushed last. */
export async function amend(
  fixture: GerritFixture,
  {
    message,
    files: content = {},
  }: { readonly message?: string; readonly files?: Readonly<Record<string, string>> },
): Promise<void> {
  for (const [name, text] of Object.entries(content)) fixture.writeFile(`clone/${name}`, text);
  await done(fixture.git('clone', 'add', '-A'));
  const { stdout } = await done(fixture.git('clone', 'log', '-1', '--format=%B'));
  const id = /Change-Id: \S+/.exec(stdout)?.[0];
  const words = message === undefined ? ['--no-edit'] : ['-m', `${message}\n\n${id}\n`];
  await done(fixture.git('clone', 'commit', '-q', '--amend', ...words));
  await done(fixture.git('clone', 'push', '-q', 'origin', 'HEAD:refs/for/master'));
}

export function review(
  fixture: GerritFixture,
  user: string,
  change: number,
  input: object,
  patchset = 1,
): Promise<Ran> {
  const command = `gerrit review --json --project ${PROJECT} ${change},${patchset}`;
  return fixture.ssh(user, command, JSON.stringify(input));
}

/** This account's messages on a change, oldest first, as a query shows them. */
export async function messagesOf(
  fixture: GerritFixture,
  change: number,
  user = 'acme-ci',
): Promise<unknown[]> {
  const { rows } = await query(fixture, `--comments change:${change}`);
  const comments = rows[0]?.comments as { reviewer: Json; message: string }[];
  return comments.filter(({ reviewer }) => reviewer.username === user).map(({ message }) => message);
}

export async function query(fixture: GerritFixture, words: string): Promise<{ rows: Json[]; stats: Json }> {
  const { stdout } = await done(fixture.ssh('acme-ci', `gerrit query --format=JSON ${words}`));
  const rows: Json[] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const stats = rows.pop() ?? {};
  return { rows, stats };
}

const takenFrom = new WeakMap<StreamOutput, number>();

/** The next event of this type since the last event that was returned; skips other types. */
export async function next(output: StreamOutput, type: string): Promise<Json> {
  const from = takenFrom.get(output) ?? 0;
  const find = (): number => output.events.findIndex((event, index) => index >= from && event.type === type);
  await output.until(() => find() >= 0);
  const index = find();
  takenFrom.set(output, index + 1);
  return output.events[index] ?? {};
}

export function approvals(event: Json): Record<string, string> {
  const entries = event.approvals as { type: string; value: string; oldValue?: string }[];
  return Object.fromEntries(
    entries.map(({ type, value, oldValue }) => [
      type,
      oldValue === undefined ? value : `${value} from ${oldValue}`,
    ]),
  );
}

export function patchset(change: number, number: number, kind: string): Json {
  return {
    number,
    revision: SHA,
    parents: [SHA],
    ref: `refs/changes/${last2(change)}/${change}/${number}`,
    uploader: DEV,
    createdOn: AT,
    author: DEV,
    kind,
    sizeInsertions: AT,
    sizeDeletions: AT,
  };
}

export function last2(change: number): string {
  return String(change % 100).padStart(2, '0');
}

/** The output of a successful command. */
export async function done(command: Promise<Ran>): Promise<Ran> {
  const ran = await command;
  if (ran.status !== 0) throw new Error(`ended with ${ran.status}: ${ran.stderr}`);
  return ran;
}
