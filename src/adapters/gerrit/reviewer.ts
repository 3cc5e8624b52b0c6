/**
 * Posts reviews, once for each run. Gerrit posts the same message twice when it is asked twice, so our own messages
 * are read first, and a request whose answer was lost is given time to arrive before anybody looks again. The
 * message goes as JSON on standard input: no shell and no command line ever sees it.
 */
import type { Clock, PostOutcome, Reviewer } from '../../engine/ports.ts';
import { OperationError } from '../../errors.ts';
import type { KeyedEffect } from '../../machines/effects.ts';
import type { Patchset } from '../../machines/vocabulary.ts';
import { type CommandResult, CutOff, runCommand } from './command.ts';
import { GerritConnection, type GerritOptions } from './connection.ts';
import { fitMessage } from './message.ts';
import { type ChangeRow, patchSetOf, queryChange } from './query.ts';
import { readAnswer } from './refusal.ts';
import { sleep } from './session.ts';

type PostReview = Extract<KeyedEffect, { type: 'postReview' }>;
type ReadVotes = Extract<KeyedEffect, { type: 'readVotes' }>;

const ANSWER_LIMIT_BYTES = 1024 * 1024;
/** Connections at a time; further reviews wait. Some sites allow few for each account. */
const CONNECTIONS_LIMIT = 4;

export class GerritReviewer implements Reviewer {
  readonly #options: GerritOptions;
  readonly #clock: Clock;
  readonly #account: string;
  /** Runs whose request may still arrive at Gerrit, and the monotonic time from which on it can not. */
  readonly #unsettled = new Map<string, number>();
  #connections = 0;
  readonly #queue: (() => void)[] = [];

  /** @param account our username on Gerrit: only its messages and votes are ours. */
  constructor(options: GerritOptions, clock: Clock, account: string) {
    this.#options = options;
    this.#clock = clock;
    this.#account = account;
  }

  /** @param recovered an earlier process may have sent this request just before it died. */
  async post(request: PostReview, signal: AbortSignal, recovered = false): Promise<PostOutcome> {
    const message = fitMessage(request.message, request.run);
    if (recovered) this.#mayStillArrive(request.run);
    await this.#settle(request.run, signal);
    try {
      return await this.#connected(signal, (connection) =>
        this.#postOnce(connection, request, message, signal),
      );
    } catch (error) {
      if (!(error instanceof CutOff) || !error.sent) throw error;
      this.#mayStillArrive(request.run);
      await this.#settle(request.run, signal);
      const found = await this.#connected(signal, async (connection) => {
        const row = await this.#changeOf(connection, request.patchset, signal);
        return row !== null && this.#holdsRun(row, request);
      });
      if (found) return { posted: true, found: true };
      throw error;
    }
  }

  async readVotes(request: ReadVotes, signal: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const { change, patchset } = request.patchset;
    return this.#connected(signal, async (connection) => {
      const ask = (part: '--current-patch-set' | '--all-approvals') =>
        queryChange(connection, this.#options, this.#clock, change, [part], signal);
      let row = await ask('--current-patch-set');
      if (row !== null && patchSetOf(row, patchset) === null) row = await ask('--all-approvals');
      const set = row === null ? null : patchSetOf(row, patchset);
      if (set === null) throw notShown(request.patchset, this.#options);
      const ours = (set.approvals ?? []).filter(({ by }) => by.username === this.#account);
      return Object.fromEntries(
        ours.map(({ type, description, value }) => [type ?? description, value ?? 0]),
      );
    });
  }

  async #postOnce(
    connection: GerritConnection,
    request: PostReview,
    message: string,
    signal: AbortSignal,
  ): Promise<PostOutcome> {
    const { patchset, labels, tag } = request;
    const before = await this.#changeOf(connection, patchset, signal);
    if (before !== null && this.#holdsRun(before, request)) return { posted: true, found: true };
    const voted = Object.values(labels).some((value) => value !== 0);
    const current = before?.currentPatchSet?.number ?? patchset.patchset;
    if (voted && current !== patchset.patchset) {
      return {
        posted: false,
        refused: `patchset ${patchset.patchset} is not the current one (${current}) any more`,
      };
    }
    const result = await this.#review(connection, patchset, { message, tag, labels }, signal);
    const answer = readAnswer(result.status, result.stderr, printed(patchset), voted);
    switch (answer.is) {
      case 'posted':
        return { posted: true, found: false };
      case 'vote-refused':
        return { posted: false, refused: answer.why };
      case 'failed':
        throw answer.error;
      case 'perhaps-missing':
        throw before === null ? answer.error : retried(answer.error);
    }
  }

  /** By change and patchset: a commit alone can belong to several changes. That it is the tested one was checked. */
  #review(
    connection: GerritConnection,
    patchset: Patchset,
    input: {
      readonly message: string;
      readonly tag: string;
      readonly labels: Readonly<Record<string, number>>;
    },
    signal: AbortSignal,
  ): Promise<CommandResult> {
    const target = `${patchset.change},${patchset.patchset}`;
    return runCommand(
      connection,
      this.#clock,
      {
        argv: ['gerrit', 'review', '--json', '--project', patchset.project, target],
        stdin: JSON.stringify(input),
        timeoutMs: this.#options.commandTimeoutMs,
        stdoutLimitBytes: ANSWER_LIMIT_BYTES,
      },
      signal,
    );
  }

  /** The change with its messages; null while Gerrit does not show it. Refuses a Gerrit where it is another change. */
  async #changeOf(
    connection: GerritConnection,
    patchset: Patchset,
    signal: AbortSignal,
  ): Promise<ChangeRow | null> {
    const row = await queryChange(
      connection,
      this.#options,
      this.#clock,
      patchset.change,
      ['--comments', '--current-patch-set'],
      signal,
    );
    const shown = row === null ? null : patchSetOf(row, patchset.patchset);
    if (shown !== null && shown.revision !== patchset.revision) {
      throw elsewhere(
        patchset,
        `${shown.revision} on ${this.#options.host}, tested was ${patchset.revision}`,
      );
    }
    if (row?.project !== undefined && row.project !== patchset.project) {
      throw elsewhere(patchset, `in ${row.project} on ${this.#options.host}, tested was ${patchset.project}`);
    }
    return row;
  }

  #holdsRun(row: ChangeRow, request: PostReview): boolean {
    return (row.comments ?? []).some(
      ({ reviewer, message }) => reviewer.username === this.#account && message.includes(request.run),
    );
  }

  #mayStillArrive(run: string): void {
    const now = this.#clock.monotonic();
    for (const [other, settledAt] of this.#unsettled) if (settledAt <= now) this.#unsettled.delete(other);
    this.#unsettled.set(run, now + this.#options.settleMs);
  }

  /** Waits until a request that was cut off can no longer arrive. */
  async #settle(run: string, signal: AbortSignal): Promise<void> {
    const settledAt = this.#unsettled.get(run);
    if (settledAt === undefined) return;
    const leftMs = settledAt - this.#clock.monotonic();
    if (leftMs > 0) await sleep(this.#clock, leftMs, signal);
    if (signal.aborted) throw stopped(run);
    this.#unsettled.delete(run);
  }

  async #connected<T>(signal: AbortSignal, work: (connection: GerritConnection) => Promise<T>): Promise<T> {
    if (this.#connections >= CONNECTIONS_LIMIT) {
      await new Promise<void>((resolve) => this.#queue.push(resolve));
    } else {
      this.#connections++;
    }
    let connection: GerritConnection | null = null;
    try {
      connection = await openRetryable(this.#options, this.#clock, signal);
      return await work(connection);
    } finally {
      // The answer does not wait for the goodbye, but the next connection does.
      void (connection?.close() ?? Promise.resolve()).then(() => this.#free());
    }
  }

  #free(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#connections--;
    else next();
  }
}

/** A key or host key that an operator can put right must not lose a review: all that happens before a command is retryable. */
async function openRetryable(
  options: GerritOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<GerritConnection> {
  try {
    return await GerritConnection.open(options, clock, signal);
  } catch (error) {
    throw error instanceof OperationError && !error.retryable ? retried(error) : error;
  }
}

function retried(error: OperationError): OperationError {
  const { operation, target, message, hint } = error;
  return new OperationError({ operation, target, message, hint, retryable: true, cause: error });
}

function elsewhere(patchset: Patchset, what: string): OperationError {
  return new OperationError({
    operation: 'post review',
    target: printed(patchset),
    message: `${printed(patchset)} is ${what}`,
    retryable: false,
    hint: 'this is another Gerrit than the one that the patchset came from, or it was restored from a backup',
  });
}

function notShown(patchset: Patchset, options: GerritOptions): OperationError {
  return new OperationError({
    operation: 'read votes',
    target: printed(patchset),
    message: `${options.host} does not show ${printed(patchset)}`,
    retryable: true,
    hint: 'the change is gone, or this account may not read it',
  });
}

function stopped(run: string): OperationError {
  return new OperationError({
    operation: 'post review',
    target: run,
    message: 'stopped while waiting for an earlier request to settle',
    retryable: true,
    hint: 'it is tried again by itself',
  });
}

function printed(patchset: Patchset): string {
  return `${patchset.change},${patchset.patchset}`;
}
