/**
 * Gerrit's REST API as one account uses it: what people do on the web page, and what the page then shows. Tests check
 * results with it, so it uses no code of sos-ci.
 */

/** Gerrit responded with an error status. */
class RestError extends Error {
  override readonly name = 'RestError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface ShownMessage {
  readonly id: string;
  readonly author: string;
  readonly patchset: number;
  readonly text: string;
  readonly tag: string;
}

export interface ShownChange {
  readonly number: number;
  readonly status: string;
  readonly patchset: number;
  readonly revision: string;
  readonly messages: readonly ShownMessage[];
  /** By label, then by username. */
  readonly votes: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

interface ChangeInfo {
  readonly _number: number;
  readonly status: string;
  readonly current_revision: string;
  readonly revisions: Readonly<Record<string, { readonly _number: number }>>;
  readonly messages: readonly {
    readonly id: string;
    readonly author?: { readonly username?: string };
    readonly _revision_number?: number;
    readonly message: string;
    readonly tag?: string;
  }[];
  readonly labels?: Readonly<
    Record<string, { readonly all?: readonly { readonly username?: string; readonly value?: number }[] }>
  >;
}

/** Gerrit's prefix of every JSON response, against cross-site script inclusion. */
const GUARD = ")]}'\n";
const LIMIT_MS = 60_000;
const DETAILS = 'o=CURRENT_REVISION&o=MESSAGES&o=DETAILED_LABELS&o=DETAILED_ACCOUNTS';

export class GerritRest {
  readonly #url: string;
  readonly #authorization: string;

  constructor(url: string, username: string, password: string) {
    this.#url = url;
    this.#authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  }

  async change(number: number): Promise<ShownChange> {
    const info = (await this.get(`changes/${number}?${DETAILS}`)) as ChangeInfo;
    return {
      number: info._number,
      status: info.status,
      patchset: info.revisions[info.current_revision]?._number ?? 0,
      revision: info.current_revision,
      messages: info.messages.map((message) => ({
        id: message.id,
        author: message.author?.username ?? '',
        patchset: message._revision_number ?? 0,
        text: message.message,
        tag: message.tag ?? '',
      })),
      votes: Object.fromEntries(
        Object.entries(info.labels ?? {}).map(([label, { all = [] }]) => [
          label,
          Object.fromEntries(
            all.flatMap(({ username, value = 0 }) =>
              username === undefined || value === 0 ? [] : [[username, value]],
            ),
          ),
        ]),
      ),
    };
  }

  /** Numbers of the changes that a query finds, newest first. */
  async find(query: string): Promise<readonly number[]> {
    const found = (await this.get(`changes/?q=${encodeURIComponent(query)}&n=500`)) as readonly ChangeInfo[];
    return found.map((info) => info._number);
  }

  review(change: number, input: object, patchset: number | 'current' = 'current'): Promise<unknown> {
    return this.post(`changes/${change}/revisions/${patchset}/review`, input);
  }

  say(change: number, message: string): Promise<unknown> {
    return this.review(change, { message });
  }

  async abandon(change: number): Promise<void> {
    await this.post(`changes/${change}/abandon`, {});
  }

  async restore(change: number): Promise<void> {
    await this.post(`changes/${change}/restore`, {});
  }

  async setWorkInProgress(change: number, wip: boolean): Promise<void> {
    await this.post(`changes/${change}/${wip ? 'wip' : 'ready'}`, {});
  }

  async setPrivate(change: number, isPrivate: boolean): Promise<void> {
    if (isPrivate) await this.post(`changes/${change}/private`, {});
    else await this.delete(`changes/${change}/private`);
  }

  async setTopic(change: number, topic: string): Promise<void> {
    await this.put(`changes/${change}/topic`, { topic });
  }

  async addHashtags(change: number, add: readonly string[]): Promise<void> {
    await this.post(`changes/${change}/hashtags`, { add });
  }

  /** Approves the change first, which the account must be allowed to do. */
  async merge(change: number): Promise<void> {
    await this.review(change, { labels: { 'Code-Review': 2 } });
    await this.post(`changes/${change}/submit`, {});
  }

  get(path: string): Promise<unknown> {
    return this.#ask('GET', path, null);
  }

  post(path: string, body: object): Promise<unknown> {
    return this.#ask('POST', path, body);
  }

  put(path: string, body: object): Promise<unknown> {
    return this.#ask('PUT', path, body);
  }

  /** For endpoints that accept plain text. */
  send(path: string, text: string): Promise<unknown> {
    return this.#ask('POST', path, text);
  }

  delete(path: string): Promise<unknown> {
    return this.#ask('DELETE', path, null);
  }

  async #ask(method: string, path: string, body: object | string | null): Promise<unknown> {
    const content = typeof body === 'string' ? 'text/plain' : 'application/json';
    const answer = await fetch(`${this.#url}/a/${path}`, {
      method,
      headers: { authorization: this.#authorization, ...(body === null ? {} : { 'content-type': content }) },
      signal: AbortSignal.timeout(LIMIT_MS),
      ...(body === null ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new RestError(answer.status, `${method} ${path}: ${answer.status} ${text.trim()}`);
    return text.startsWith(GUARD) ? JSON.parse(text.slice(GUARD.length)) : null;
  }
}
