/**
 * A minimal Gerrit behind the scriptable SSH server, for tests of the adapter: changes with messages and votes,
 * `query`, `review --json`, `version`, and `stream-events`, which reports comments. Answers and errors have the
 * wording of 3.9.1.
 */
import type { ServerChannel } from 'ssh2';
import type { Patchset } from '../../src/machines/model/domain.ts';
import { reply, type SshServer } from './ssh-server.ts';

interface Message {
  readonly reviewer: { readonly name: string; readonly email: string; readonly username: string };
  readonly message: string;
}

interface Change {
  readonly patchsets: Patchset[];
  readonly messages: Message[];
  /** By patchset, then label. */
  readonly votes: Map<number, Map<string, number>>;
  open: boolean;
}

interface ReviewInput {
  readonly message: string;
  readonly labels?: Readonly<Record<string, number>>;
}

const ACCOUNT = 'acme-ci';

export class GerritModel {
  readonly changes = new Map<number, Change>();
  readonly streams = new Set<ServerChannel>();
  readonly #server: SshServer;

  constructor(server: SshServer) {
    this.#server = server;
    server.answer('gerrit version', 'gerrit version 3.9.1\n');
    server.on('gerrit stream-events', ({ channel }) => {
      this.streams.add(channel);
      channel.on('close', () => this.streams.delete(channel));
    });
    server.on('gerrit query', ({ line, channel }) => reply(channel, this.query(line)));
    server.on('gerrit review', async ({ line, channel, stdin }) => {
      const { status, stderr } = this.review(splitWords(line), await stdin);
      reply(channel, '', status, stderr);
    });
  }

  addPatchset(patchset: Patchset): void {
    const newChange: Change = { patchsets: [], messages: [], votes: new Map(), open: true };
    const change = this.changes.get(patchset.change) ?? newChange;
    change.patchsets.push(patchset);
    this.changes.set(patchset.change, change);
  }

  say(event: object | string): void {
    const line = typeof event === 'string' ? event : JSON.stringify(event);
    for (const stream of this.streams) stream.write(`${line}\n`);
  }

  comment(patchset: Patchset, username: string, text: string): void {
    const author = { name: username, email: `${username}@example.org`, username };
    const comment = `Patch Set ${patchset.patchset}:\n\n${text}`;
    this.changes.get(patchset.change)?.messages.push({ reviewer: author, message: comment });
    this.say({
      author,
      approvals: [{ type: 'Verified', description: 'Verified', value: '0' }],
      comment,
      patchSet: patchSetJson(patchset),
      change: changeJson(patchset),
      project: patchset.project,
      refName: `refs/heads/${patchset.branch}`,
      type: 'comment-added',
      eventCreatedOn: 1795354826,
    });
  }

  messages(change: number): readonly string[] {
    const messages = this.changes.get(change)?.messages ?? [];
    return messages.filter(({ reviewer }) => reviewer.username === ACCOUNT).map(({ message }) => message);
  }

  /** Abandons the change. */
  close(change: number): void {
    const closed = this.changes.get(change);
    if (closed !== undefined) closed.open = false;
  }

  votes({ change, patchset }: Patchset): Readonly<Record<string, number>> {
    return Object.fromEntries(this.changes.get(change)?.votes.get(patchset) ?? []);
  }

  /** Performs `gerrit review` with these arguments and this standard input. */
  review(words: readonly string[], stdin: string): { readonly status: number; readonly stderr: string } {
    const [number, wanted] = (words.at(-1) ?? '').split(',').map(Number);
    const project = words[words.indexOf('--project') + 1];
    const change = this.changes.get(number ?? 0);
    if (change === undefined || change.patchsets[0]?.project !== project) return fatalError('database error');
    const patchset = change.patchsets.find((set) => set.patchset === wanted);
    if (patchset === undefined) return fatalError(`"${number},${wanted}" no such patch set`);
    const input = JSON.parse(stdin) as ReviewInput;
    const labels = Object.entries(input.labels ?? {});
    if (input.message.length > 16_384) {
      return refusal(`Comment size exceeds limit (${input.message.length} > 16384)`);
    }
    if (!change.open && labels.length > 0) return refusal('change is closed');
    const forbidden = labels.find(([label, value]) => label === 'Code-Review' && value !== 0);
    if (forbidden !== undefined)
      return refusal(`Applying label "${forbidden[0]}": ${forbidden[1]} is restricted`);
    const votes = change.votes.get(patchset.patchset) ?? new Map<string, number>();
    const known = labels.filter(([label]) => label === 'Verified');
    for (const [label, value] of known) votes.set(label, value);
    change.votes.set(patchset.patchset, votes);
    const castVotes = known.map(([label, value]) => ` ${label}${value > 0 ? '+' : ''}${value}`).join('');
    const header = `Patch Set ${patchset.patchset}:${castVotes}`;
    change.messages.push({ reviewer: ownAccount(), message: `${header}\n\n${input.message}` });
    return { status: 0, stderr: '' };
  }

  /** Closes all connections, like a server that stops. */
  cutStreams(): void {
    this.#server.cutAll();
  }

  query(line: string): string {
    const words = splitWords(line);
    const number = Number(words.at(-1)?.replace('change:', ''));
    const change = this.changes.get(number);
    const current = change?.patchsets.at(-1);
    const rows: object[] = [];
    if (change !== undefined && current !== undefined) {
      const sets = change.patchsets.map((set) => this.#patchSetRow(change, set));
      rows.push({
        ...changeJson(current),
        status: change.open ? 'NEW' : 'ABANDONED',
        ...(words.includes('--comments') ? { comments: change.messages } : {}),
        ...(words.includes('--current-patch-set') ? { currentPatchSet: sets.at(-1) } : {}),
        ...(words.includes('--patch-sets') || words.includes('--all-approvals') ? { patchSets: sets } : {}),
      });
    }
    rows.push({ type: 'stats', rowCount: rows.length, runTimeMilliseconds: 1, moreChanges: false });
    return `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`;
  }

  #patchSetRow(change: Change, set: Patchset): object {
    const votes = [...(change.votes.get(set.patchset) ?? [])];
    const approvals = votes.map(([type, value]) => ({
      type,
      description: type,
      value: `${value}`,
      by: ownAccount(),
    }));
    const others = { type: 'Code-Review', value: '2', by: { username: 'dev' } };
    return { ...patchSetJson(set), approvals: [...approvals, others] };
  }
}

/** Splits a command line like Gerrit: both kinds of quotes, and backslashes outside single quotes. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = '';
  for (let at = 0; at < line.length; at++) {
    const letter = line[at] ?? '';
    if (quote === '' && letter === ' ') {
      if (word !== null) words.push(word);
      word = null;
    } else if (letter === quote) {
      quote = '';
    } else if (quote === '' && (letter === "'" || letter === '"')) {
      quote = letter;
      word ??= '';
    } else {
      word = (word ?? '') + (letter === '\\' && quote !== "'" ? (line[++at] ?? '') : letter);
    }
  }
  return word === null ? words : [...words, word];
}

function changeJson(patchset: Patchset): object {
  const { project, branch, change, subject, url } = patchset;
  return {
    project,
    branch,
    number: change,
    subject,
    url,
    owner: { username: patchset.owner },
    status: 'NEW',
  };
}

function patchSetJson(patchset: Patchset): object {
  return { number: patchset.patchset, revision: patchset.revision, ref: patchset.ref, kind: 'REWORK' };
}

function ownAccount(): Message['reviewer'] {
  return { name: 'Acme CI', email: 'acme-ci@example.org', username: ACCOUNT };
}

function fatalError(text: string): { status: number; stderr: string } {
  return { status: 1, stderr: `fatal: ${text}\n` };
}

function refusal(text: string): { status: number; stderr: string } {
  return { status: 1, stderr: `error: ${text}\n\nfatal: one or more reviews failed; review output above\n` };
}
