/**
 * Everything that was said on a change, each with Gerrit's own id for it. Over SSH a comment has no id and two channels
 * give it two times; by REST the same comment is the same id for ever.
 */
import type { RestClient } from './rest-client.ts';
import { statusFailure } from './rest-failure.ts';
import { messages, type RestMessage, readJson } from './rest-shapes.ts';

/** Oldest first; null when Gerrit does not show the change. @throws OperationError */
export async function readMessages(
  client: RestClient,
  change: { readonly project: string; readonly change: number },
  signal: AbortSignal,
): Promise<readonly RestMessage[] | null> {
  const path = `changes/${encodeURIComponent(change.project)}~${change.change}/messages`;
  const answer = await client.request({ method: 'GET', path, body: null }, signal);
  if (answer.status === 404) return null;
  if (answer.status !== 200) throw statusFailure('read messages', `change ${change.change}`, answer);
  return readJson(answer.text, messages, `change ${change.change}`);
}
