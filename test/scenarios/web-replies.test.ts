/**
 * Replies in Gerrit's web interface: patchset-level comments, whose text differs between the stream and the history. Each is
 * decided once by its text, whether it was streamed, found by a query, or both.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ChangeHistoryQuery } from '../../src/adapters/gerrit/history/change-history.ts';
import { restPages } from '../../src/adapters/gerrit/history/pages-rest.ts';
import { type FetchPage, sshPages } from '../../src/adapters/gerrit/history/pages-ssh.ts';
import { parseEvent } from '../../src/adapters/gerrit/stream/parse-event.ts';
import { connectToGerrit } from '../../src/adapters/gerrit/transport/ssh-connection.ts';
import { openStore } from '../../src/adapters/sqlite/store.ts';
import type { SshClient } from '../../src/adapters/ssh/client/client.ts';
import type { EventJson } from '../../src/demo/gerrit/state.ts';
import { EventIntake } from '../../src/engine/intake/event-intake.ts';
import type { IntakeUpdate } from '../../src/engine/ports/store.ts';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import { vetoOf } from '../../src/machines/trigger/novelty.ts';
import { causesOf } from '../../src/machines/trigger/rules/cause.ts';
import { written } from '../../src/machines/trigger/rules/recheck-comment.ts';
import { votesCast, voteText } from '../../src/machines/trigger/rules/vote.ts';
import { Semaphore } from '../../src/semaphore.ts';
import { Embedded } from '../adapters/gerrit/embedded.ts';
import { realClock } from '../adapters/gerrit/site.ts';
import { NEVER } from '../fixtures/never.ts';
import { jobRules, triggerRules } from '../machines/rule-facts.ts';
import { sha256 } from '../machines/simulator.ts';

type Comment = Extract<GerritEvent, { type: 'comment-added' }>;

let embedded: Embedded;
let connection: SshClient;
beforeEach(async () => {
  embedded = await Embedded.start();
  connection = await connectToGerrit(embedded.options(), realClock, NEVER);
});
afterEach(async () => {
  await connection.close();
  await embedded.stop();
});

/** The part of a daemon that decides on comments; it can be stopped, and its stream can be held back. */
class CommentIntake {
  readonly decided: Comment[] = [];
  readonly #store = openStore(':memory:');
  readonly #pages: FetchPage;
  #intake: EventIntake;
  #pending: readonly number[] | 'everything' | null = null;
  #listening = false;
  #streamed: Promise<void> = Promise.resolve();
  #hold: Promise<void> | null = null;

  constructor(transport: string) {
    this.#pages =
      transport === 'REST'
        ? restPages(embedded.client(), embedded.gerrit.state.url)
        : sshPages(embedded.options(), () => connection);
    this.#intake = this.#make();
    embedded.gerrit.state.listen((event) => this.#hear(event));
  }

  /** Starts a new intake, and catches up. */
  async start(): Promise<void> {
    this.#intake = this.#make();
    await this.#intake.begin(Date.now() - 60_000);
    this.#intake.attachHistory(new ChangeHistoryQuery(this.#pages, 100));
    this.#pending = 'everything';
    this.#listening = true;
    await this.settle();
  }

  stop(): void {
    this.#listening = false;
  }

  /** Holds events back until the returned function is called. */
  holdStream(): () => void {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#hold = this.#streamed.then(() => held);
    return () => {
      release();
      this.#streamed = this.#hold ?? this.#streamed;
      this.#hold = null;
    };
  }

  /** Catches up until nothing is pending. */
  async settle(): Promise<void> {
    await this.#streamed;
    while (this.#pending !== null) {
      const changes = this.#pending === 'everything' ? null : this.#pending;
      this.#pending = null;
      const effect = { type: 'catchUp', key: 'catchUp', timeoutMs: 1, changes } as const;
      const { ambiguous } = await this.#intake.run(effect, NEVER);
      if (ambiguous.length > 0) this.#addPending(ambiguous);
    }
  }

  /** Text and votes of each comment. */
  get texts(): readonly string[] {
    return this.decided.map((event) => {
      const votes = votesCast(event).map(voteText);
      return [...votes, written(event.comment)].join(' ').trim();
    });
  }

  /** How many of them request a run. */
  get requests(): number {
    const own = jobRules();
    return this.decided.filter((event) => Array.isArray(causesOf(event, triggerRules(), own))).length;
  }

  #hear(json: EventJson): void {
    if (!this.#listening) return;
    const parsed = parseEvent(JSON.stringify(json));
    if (!('event' in parsed)) throw new Error(parsed.rejected.reason);
    const intake = this.#intake;
    const take = (): Promise<void> => intake.handle(parsed.event);
    if (this.#hold === null) this.#streamed = this.#streamed.then(take);
    else this.#hold = this.#hold.then(take);
  }

  #addPending(changes: readonly number[] | null): void {
    if (changes === null || this.#pending === 'everything') this.#pending = 'everything';
    else this.#pending = [...(this.#pending ?? []), ...changes];
  }

  #make(): EventIntake {
    const submit = (_: unknown, noted: readonly IntakeUpdate[] = []) => this.#store.append([], noted);
    const mutex = new Semaphore(1);
    return new EventIntake({
      store: this.#store,
      clock: realClock,
      hash: sha256,
      limits: {
        overlapMs: 600_000,
        clockToleranceMs: 5_000,
        dedupRetentionMs: 86_400_000,
        maxOpenReviews: 100,
      },
      engine: { submit },
      admission: {
        projects: ['openstack/cinder'],
        reportsOfOthers: 0,
        hasWork: () => false,
        runExclusive: (work) => mutex.run(work),
        decide: async (event, noted, _number, novelty = { is: 'untracked' }) => {
          if (event.type === 'comment-added' && vetoOf(novelty) === null) this.decided.push(event);
          return { outcomes: [], durable: submit([], noted) };
        },
      },
      onGap: (_, changes) => this.#addPending(changes),
    });
  }
}

const reply = (message: string, ...more: readonly string[]) => ({
  '/PATCHSET_LEVEL': [message, ...more].map((text) => ({ message: text })),
});
const inline = (message: string) => ({ 'driver.py': [{ message }] });

const SITES = ['SSH', 'REST'].flatMap((transport) => [true, false].map((shown) => ({ transport, shown })));

describe.each(SITES)(
  'history over $transport, events that include replies: $shown',
  ({ transport, shown }) => {
    let intake: CommentIntake;
    let change: number;
    const dev = () => embedded.gerrit.as('dev');
    beforeEach(async () => {
      embedded.gerrit.state.publishesPatchsetComments = shown;
      intake = new CommentIntake(transport);
      await intake.start();
      ({ change } = embedded.newPatchset());
    });

    test('a recheck is received live, and not again after a restart', async () => {
      dev().review(change, { comments: reply('recheck') });
      await intake.settle();
      expect(intake.texts).toEqual(['recheck']);
      for (let restarts = 0; restarts < 2; restarts += 1) await intake.start();
      expect(intake.texts).toEqual(['recheck']);
      expect(intake.requests).toBe(1);
    });

    test('a recheck is found after a restart, once', async () => {
      intake.stop();
      dev().review(change, { comments: reply('recheck') });
      for (let restarts = 0; restarts < 2; restarts += 1) await intake.start();
      expect(intake.texts).toEqual(['recheck']);
      expect(intake.requests).toBe(1);
    });

    test('a vote is decided once in any form', async () => {
      dev().review(change, { labels: { 'Code-Review': 1 }, comments: reply('LGTM') });
      await intake.settle();
      await intake.start();
      expect(intake.texts).toEqual(['Code-Review+1 LGTM']);
      intake.stop();
      dev().review(change, { labels: { 'Code-Review': 2 }, comments: reply('LGTM') });
      dev().review(change, { labels: { 'Code-Review': 0 } });
      for (let restarts = 0; restarts < 2; restarts += 1) await intake.start();
      expect(intake.texts).toEqual(['Code-Review+1 LGTM', 'Code-Review+2 LGTM', 'Code-Review+0']);
    });

    test('equal texts are counted: three received and three missed are six', async () => {
      for (let heard = 0; heard < 3; heard += 1) dev().review(change, { comments: reply('recheck') });
      await intake.settle();
      intake.stop();
      for (let missed = 0; missed < 2; missed += 1) dev().review(change, { comments: reply('recheck') });
      dev().review(change, { message: 'recheck' });
      for (let restarts = 0; restarts < 2; restarts += 1) await intake.start();
      expect(intake.texts).toEqual(Array.from({ length: 6 }, () => 'recheck'));
    });

    test('comments on files never request a run, with any text', async () => {
      dev().review(change, { comments: inline('recheck') });
      await intake.settle();
      intake.stop();
      dev().review(change, { message: 'see inline', comments: inline('recheck') });
      await intake.start();
      expect([intake.texts, intake.requests]).toEqual([['', 'see inline'], 0]);
    });

    test('beside comments on files, received and missed, each reply counts once', async () => {
      dev().review(change, { comments: { ...inline('one'), ...reply('recheck') } });
      await intake.settle();
      dev().review(change, { comments: inline('two') });
      await intake.settle();
      expect(intake.texts).toEqual(['recheck', '']);
      intake.stop();
      dev().review(change, { comments: { ...inline('three'), ...reply('run-acme-ci') } });
      for (let restarts = 0; restarts < 2; restarts += 1) await intake.start();
      expect(intake.texts).toEqual(['recheck', '', 'run-acme-ci']);
      expect(intake.requests).toBe(2);
    });

    test('a reply that is looked up together with a comment on a file, before the stream delivers it, counts once', async () => {
      dev().review(change, { comments: inline('recheck') });
      const release = intake.holdStream();
      dev().review(change, { comments: reply('recheck') });
      await intake.settle();
      release();
      await intake.settle();
      expect(intake.texts).toEqual(['', 'recheck']);
      await intake.start();
      expect(intake.requests).toBe(1);
    });

    test('a recheck beside another reply of the same message, found by a catch-up, requests one run', async () => {
      intake.stop();
      dev().review(change, { comments: reply('Done', 'recheck') });
      await intake.start();
      expect([intake.texts, intake.requests]).toEqual([['Done\nrecheck'], 1]);
    });

    test('a message that a program posted with comments on files is decided once', async () => {
      const acme = embedded.gerrit.as('acme-ci');
      acme.review(change, { message: 'Build failed', labels: { Verified: -1 }, comments: inline('here') });
      await intake.settle();
      await intake.start();
      expect(intake.texts).toEqual(['Verified-1 Build failed']);
    });
  },
);

test('a comment that Gerrit does not show yet is queried again', async () => {
  embedded.gerrit.state.publishesPatchsetComments = false;
  const intake = new CommentIntake('SSH');
  await intake.start();
  const { change } = embedded.newPatchset();
  const record = embedded.gerrit.change(change);
  embedded.gerrit.as('dev').review(change, { comments: reply('recheck') });
  const hidden = [record.messages.splice(0), record.comments.splice(0)] as const;
  const cancel = realClock.after(300, () => {
    record.messages.push(...hidden[0]);
    record.comments.push(...hidden[1]);
  });
  await intake.settle();
  cancel();
  expect(intake.texts).toEqual(['recheck']);
});
