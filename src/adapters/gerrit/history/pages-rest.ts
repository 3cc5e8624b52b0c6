/**
 * Reads history pages over REST and converts them to the rows of `gerrit query`. REST adds message ids, which identify
 * a message regardless of its time and text elsewhere, and the times of patchset-level comments. Those comments take
 * one request per change, made only when a recent message mentions comments; the client limits how many run at a time.
 */
import { z } from 'zod';
import { OperationError } from '../../../errors.ts';
import type { RestAnswer, RestClient } from '../transport/rest-client.ts';
import { statusFailure } from '../transport/rest-failure.ts';
import { readJson } from '../transport/rest-schemas.ts';
import type { FetchPage } from './pages-ssh.ts';
import { PATCHSET_LEVEL } from './rows.ts';

const OPTIONS = ['MESSAGES', 'CURRENT_REVISION', 'CURRENT_COMMIT', 'DETAILED_ACCOUNTS'];
/** Rows are validated one by one, so that an unreadable row does not hide the others. */
const page = z.array(z.record(z.string(), z.unknown()));

const comments = z.record(z.string(), page);
const COMMENTS = /\(\d+ (?:inline )?comments?\)/u;

export type Info = Readonly<Record<string, unknown>>;
/** By file. */
type Comments = Readonly<Record<string, readonly Info[]>>;

/** @param site URL of Gerrit's pages */
export function restPages(client: RestClient, site: string): FetchPage {
  const target = `changes at ${client.target}`;
  /** Null: the answer exceeds the size limit. */
  const get = async (path: string, signal: AbortSignal): Promise<RestAnswer | null> => {
    try {
      return await client.request({ method: 'GET', path, body: null }, signal);
    } catch (error) {
      if (error instanceof OperationError && isTooLong(error.cause)) return null;
      throw error;
    }
  };
  const commentsOn = async (info: Info, signal: AbortSignal): Promise<Comments> => {
    const change = `${encodeURIComponent(String(info.project))}~${String(info._number)}`;
    const answer = await get(`changes/${change}/comments`, signal);
    // The change was deleted meanwhile, or its comments exceed the size limit: use its messages without comments.
    if (answer === null || answer.status === 404) return {};
    if (answer.status !== 200) throw retryable(statusFailure('query comments', target, answer));
    return readJson(answer.text, comments, target);
  };
  return async ({ terms, start, rows, commentsSince }, signal) => {
    const query = new URLSearchParams({ q: terms, n: String(rows), S: String(start) });
    for (const option of OPTIONS) query.append('o', option);
    const answer = await get(`changes/?${query}`, signal);
    if (answer === null) return null;
    if (answer.status !== 200) throw retryable(statusFailure('query changes', target, answer));
    const infos = readJson(answer.text, page, target);
    const failed = new AbortController();
    const both = AbortSignal.any([signal, failed.signal]);
    const found = infos.map(async (info) =>
      rowOf(info, hasComments(info, commentsSince) ? await commentsOn(info, both) : {}, site),
    );
    try {
      return { rows: await Promise.all(found), more: infos.at(-1)?._more_changes === true };
    } catch (error) {
      failed.abort();
      throw error;
    }
  };
}

/** True when a message on the current patchset since this time, epoch ms, mentions comments. */
function hasComments({ current_revision: revision, revisions, messages }: Info, since: number): boolean {
  const { _number: current } = objectOf(objectOf(revisions)[String(revision)]);
  return (Array.isArray(messages) ? messages : []).map(objectOf).some(({ message, date, ...fields }) => {
    if (fields._revision_number !== current || seconds(date) * 1_000 < since) return false;
    return typeof message === 'string' && COMMENTS.test(message);
  });
}

/** Makes a refusal retryable: an operator may fix its cause, and giving up would lose events. */
function retryable({ operation, target, message, hint, cause }: OperationError): OperationError {
  return new OperationError({ operation, target, message, retryable: true, hint, cause });
}

function isTooLong(cause: unknown): boolean {
  return (cause as { readonly code?: unknown } | null | undefined)?.code === 'answer-too-long';
}

/** @param site URL of Gerrit's pages */
export function rowOf(info: Info, comments: Comments, site: string): Info {
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
      comments: (comments[PATCHSET_LEVEL] ?? [])
        .filter(({ patch_set: number }) => number === set._number)
        .map(patchsetCommentOf)
        .sort((one, other) => one.timestamp - other.timestamp),
    },
  };
}

/**
 * Git has only names and email addresses. The author's Gerrit account is known only if it is also the uploader or the
 * owner.
 */
function authorOf(set: Info, accounts: readonly unknown[]): Info {
  const author = objectOf(objectOf(set.commit).author);
  const known = accounts.map(objectOf).find(({ email }) => email !== undefined && email === author.email);
  return known === undefined ? author : { ...author, username: known.username };
}

function commentOf({ id, tag, author, date, message }: Info): Info {
  return { id, tag, reviewer: author, timestamp: seconds(date), message };
}

function patchsetCommentOf({ author, updated, message }: Info) {
  return { file: PATCHSET_LEVEL, reviewer: author, timestamp: seconds(updated), message };
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
