/**
 * Pages of Gerrit's own account by REST, brought to the form of `gerrit query`, with what only REST tells: the id of each
 * message, by which it is known again however its time and its words are told elsewhere.
 */
import { z } from 'zod';
import { OperationError } from '../../errors.ts';
import type { AskPage } from './past-pages.ts';
import type { Answer } from './query.ts';
import type { RestAnswer, RestClient } from './rest-client.ts';
import { statusFailure } from './rest-failure.ts';
import { readJson } from './rest-shapes.ts';

const OPTIONS = ['MESSAGES', 'CURRENT_REVISION', 'CURRENT_COMMIT', 'DETAILED_ACCOUNTS'];
/** Checked where it is read, row by row: one that can not be read must not hide the others. */
const page = z.array(z.record(z.string(), z.unknown()));

export type Info = Readonly<Record<string, unknown>>;

/** @param site the address of Gerrit's pages */
export function restPages(client: RestClient, site: string): AskPage {
  return async ({ terms, start, rows }, signal) => {
    const query = new URLSearchParams({ q: terms, n: String(rows), S: String(start) });
    for (const option of OPTIONS) query.append('o', option);
    const target = `changes at ${client.target}`;
    let answer: RestAnswer;
    try {
      answer = await client.request({ method: 'GET', path: `changes/?${query}`, body: null }, signal);
    } catch (error) {
      if (error instanceof OperationError && isTooLong(error.cause)) return null;
      throw error;
    }
    if (answer.status !== 200) throw retryable(statusFailure('query changes', target, answer));
    return answerOf(readJson(answer.text, page, target), site);
  };
}

/** A refusal may be put right by an operator, and giving up would lose events. */
function retryable({ operation, target, message, hint, cause }: OperationError): OperationError {
  return new OperationError({ operation, target, message, retryable: true, hint, cause });
}

function isTooLong(cause: unknown): boolean {
  return (cause as { readonly code?: unknown } | null | undefined)?.code === 'answer-too-long';
}

function answerOf(infos: readonly Info[], site: string): Answer {
  return { rows: infos.map((info) => rowOf(info, site)), more: infos.at(-1)?._more_changes === true };
}

/** @param site the address of Gerrit's pages */
export function rowOf(info: Info, site: string): Info {
  const { project, branch, subject, status, topic, hashtags, owner, messages } = info;
  const revision = typeof info.current_revision === 'string' ? info.current_revision : '';
  const set = objectOf(objectOf(info.revisions)[revision]);
  return {
    project,
    branch,
    subject,
    status,
    topic,
    hashtags,
    owner,
    number: info._number,
    wip: info.work_in_progress,
    private: info.is_private,
    url: `${site.replace(/\/+$/, '')}/c/${String(project)}/+/${String(info._number)}`,
    lastUpdated: seconds(info.updated),
    comments: (Array.isArray(messages) ? messages : []).map((message) => commentOf(objectOf(message))),
    currentPatchSet: {
      number: set._number,
      revision,
      ref: set.ref,
      kind: set.kind,
      createdOn: seconds(set.created),
      uploader: set.uploader,
      author: authorOf(set, [set.uploader, owner]),
    },
  };
}

/** Git knows names and addresses; what Gerrit calls the author is known when it is also who uploaded it, or whose change it is. */
function authorOf(set: Info, accounts: readonly unknown[]): Info {
  const author = objectOf(objectOf(set.commit).author);
  const known = accounts.map(objectOf).find(({ email }) => email !== undefined && email === author.email);
  return known === undefined ? author : { ...author, username: known.username };
}

function commentOf({ id, tag, author, date, message }: Info): Info {
  return { id, tag, reviewer: author, timestamp: seconds(date), message };
}

export function objectOf(value: unknown): Info {
  return typeof value === 'object' && value !== null ? (value as Info) : {};
}

/** `2026-11-22 20:07:12.000000000`, in UTC. */
function seconds(value: unknown): number {
  const parts = typeof value === 'string' ? /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/.exec(value) : null;
  const ms = parts === null ? Number.NaN : Date.parse(`${parts[1]}T${parts[2]}Z`);
  return Number.isNaN(ms) ? 0 : ms / 1_000;
}
