/**
 * The part of Gerrit's REST API that a CI uses: its account, changes with messages, reviews. Responses and status codes are
 * those of a real server.
 */
import { accountInfo, CHANGE_OPTIONS, changeInfo, commentsInfo, messageInfo } from './change-info.ts';
import { findChanges, QueryError } from './query.ts';
import { postReview, type ReviewInput, ReviewRejected, readReviewInput } from './review.ts';
import type { ChangeRecord, GerritAccount, GerritState } from './state.ts';
import { canSee } from './state.ts';

export interface RestCall {
  readonly method: string;
  /** Without `/a`, encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: string;
  /** Null: anonymous. */
  readonly account: GerritAccount | null;
}

export interface RestReply {
  readonly status: number;
  /** Sent as JSON unless it is a string. */
  readonly body: unknown;
}

const REVIEW = /^\/changes\/([^/]+)\/revisions\/([^/]+)\/review$/;
const MESSAGES = /^\/changes\/([^/]+)\/messages\/?$/;
const COMMENTS = /^\/changes\/([^/]+)\/comments\/?$/;
const CHANGE = /^\/changes\/([^/]+)\/?$/;

/** True for the only request that changes something. */
export function isReview(method: string, path: string): boolean {
  return method === 'POST' && REVIEW.test(path);
}

export function handleRequest(state: GerritState, version: string, call: RestCall): RestReply {
  const { method, path, account } = call;
  if (method === 'GET' && path === '/config/server/version') return { status: 200, body: version };
  if (account === null) return { status: 403, body: `Resolving account 'self' requires login` };
  try {
    return handleAuthenticated(state, account, call);
  } catch (error) {
    if (error instanceof ReviewRejected) return { status: error.status, body: error.message };
    if (error instanceof QueryError) return { status: 400, body: error.message };
    throw error;
  }
}

function handleAuthenticated(state: GerritState, by: GerritAccount, call: RestCall): RestReply {
  const { method, path, query, body } = call;
  const review = method === 'POST' ? REVIEW.exec(path) : null;
  if (review !== null) return applyReview(state, by, review[1] ?? '', review[2] ?? '', body);
  if (method !== 'GET') return { status: 405, body: 'Method not allowed' };
  if (path === '/accounts/self') return { status: 200, body: accountInfo(state, by) };
  if (path === '/accounts/self/capabilities') {
    return { status: 200, body: by.mayStream ? { streamEvents: true } : {} };
  }
  const options = new Set(query.getAll('o'));
  const unknown = [...options].find((option) => !CHANGE_OPTIONS.some((known) => known === option));
  if (unknown !== undefined) return { status: 400, body: `"${unknown}" is not a valid value for "-o"` };
  if (path === '/changes/') {
    const [start, rows] = [Number(query.get('S') ?? 0), Number(query.get('n') ?? 25)];
    const found = findChanges(state, by, query.get('q') ?? '', start + rows + 1).slice(start);
    const shown = found.slice(0, rows).map((change) => changeInfo(state, by, change, options));
    const more = found.length > rows ? { _more_changes: true } : {};
    return {
      status: 200,
      body: shown.map((info, index) => (index === rows - 1 ? { ...info, ...more } : info)),
    };
  }
  const messages = MESSAGES.exec(path);
  const comments = COMMENTS.exec(path);
  const id = (messages ?? comments ?? CHANGE.exec(path))?.[1];
  if (id === undefined) return { status: 404, body: 'Not Found' };
  const change = findChange(state, by, id);
  if (change === null) return notFound(id);
  if (comments !== null) return { status: 200, body: commentsInfo(state, change) };
  if (messages === null) return { status: 200, body: changeInfo(state, by, change, options) };
  return { status: 200, body: change.messages.map((message) => messageInfo(state, message)) };
}

function applyReview(
  state: GerritState,
  by: GerritAccount,
  id: string,
  revision: string,
  body: string,
): RestReply {
  const change = findChange(state, by, id);
  if (change === null) return notFound(id);
  const patchset =
    revision === 'current'
      ? change.patchsets.at(-1)
      : change.patchsets.find((set) => set.revision === revision || String(set.number) === revision);
  if (patchset === undefined) return notFound(revision);
  const input: ReviewInput | null = readReviewInput(body);
  if (input === null) return { status: 400, body: 'Invalid application/json in request' };
  const applied = postReview(state, by, change, patchset, input);
  const labels = Object.fromEntries(applied);
  return { status: 200, body: Object.keys(input.labels).length === 0 ? {} : { labels } };
}

/** By number, or by project and number. */
function findChange(state: GerritState, by: GerritAccount, id: string): ChangeRecord | null {
  const [, project = '', number = id] = /^(.+)~(\d+)$/.exec(id) ?? [];
  const change = state.changes.get(Number(number));
  if (change === undefined || !canSee(by, change)) return null;
  return project === '' || decodeURIComponent(project) === change.project ? change : null;
}

function notFound(id: string): RestReply {
  return { status: 404, body: `Not found: ${decodeURIComponent(id)}` };
}
