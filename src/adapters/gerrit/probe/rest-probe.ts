/**
 * Queries Gerrit's REST interface about our account: its identity, the votes it may cast, and the server's clock.
 * Read-only; each answer is bounded and validated.
 */
import { z } from 'zod';
import type { RestAnswer, RestClient } from '../transport/rest-client.ts';
import { statusFailure } from '../transport/rest-failure.ts';
import { readJson } from '../transport/rest-schemas.ts';

const NAME_LIMIT = 256;

const account = z.object({
  username: z.string().max(NAME_LIMIT).nullish(),
  name: z.string().max(NAME_LIMIT).nullish(),
});

const changes = z.array(
  z.object({
    labels: z.record(z.string().max(100), z.unknown()).nullish(),
    permitted_labels: z.record(z.string().max(100), z.array(z.string().max(10)).max(100)).nullish(),
  }),
);

export interface Self {
  readonly username: string;
  readonly name: string;
  /** How far our clock is ahead of the server's, to about a second; null when the server sends no date. */
  readonly aheadMs: number | null;
}

export interface Votes {
  readonly labels: readonly string[];
  /** Permitted votes by label. */
  readonly permitted: Readonly<Record<string, readonly number[]>>;
}

export class RestProbe {
  readonly #client: RestClient;
  readonly #now: () => number;

  /** @param now our clock, epoch ms */
  constructor(client: RestClient, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  async self(signal: AbortSignal): Promise<Self> {
    const { text, date } = await this.#get('read own account', 'accounts/self', signal);
    // The Date header truncates to the second, so assume the middle of it.
    const aheadMs = date === null ? null : this.#now() - date - 500;
    const { username, name } = readJson(text, account, this.#client.target);
    return { username: username ?? '', name: name ?? '', aheadMs };
  }

  /** The labels of an open change of the project and the votes permitted on it; null when we see none. */
  async votes(project: string, signal: AbortSignal): Promise<Votes | null> {
    const query = encodeURIComponent(`project:{${project}} status:open`);
    const path = `changes/?q=${query}&n=1&o=DETAILED_LABELS`;
    const { text } = await this.#get('look up change', path, signal);
    const [found] = readJson(text, changes, this.#client.target);
    if (found === undefined) return null;
    const permitted = Object.entries(found.permitted_labels ?? {}).map(([label, values]) => {
      return [label, values.map(Number)] as const;
    });
    return { labels: Object.keys(found.labels ?? {}), permitted: Object.fromEntries(permitted) };
  }

  async #get(operation: string, path: string, signal: AbortSignal): Promise<RestAnswer> {
    const answer = await this.#client.request({ method: 'GET', path, body: null }, signal);
    if (answer.status !== 200) throw statusFailure(operation, this.#client.target, answer);
    return answer;
  }
}
