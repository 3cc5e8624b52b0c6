/**
 * Stream and catch-ups in any order, crashes and lost connections at any point, times that are off by a second, replies
 * whose text differs between stream and history: every comment is decided once. Compares counts, because equal comments
 * cannot be distinguished.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { EventIntake } from '../../../src/engine/intake/event-intake.ts';
import type { ChangeHistory, HistoryRequest } from '../../../src/engine/ports/event-source.ts';
import type { IntakeUpdate, Store } from '../../../src/engine/ports/store.ts';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import { vetoOf } from '../../../src/machines/trigger/novelty.ts';
import { written } from '../../../src/machines/trigger/rules/recheck-comment.ts';
import { Semaphore } from '../../../src/semaphore.ts';
import { FakeChangeHistory } from '../../fakes/change-history.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { LONG, runs } from '../../fixtures/effort.ts';
import { PATCHSET } from '../../machines/facts.ts';
import { sha256 } from '../../machines/simulator.ts';

type Comment = Extract<GerritEvent, { type: 'comment-added' }>;
type Answer = { readonly changes: readonly ChangeHistory[]; readonly unparsed: number };

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('comment' as const),
      who: fc.nat(1),
      off: fc.integer({ min: -1, max: 1 }),
      form: fc.constantFrom('message', 'reply', 'silent reply', 'on a file'),
      words: fc.constantFrom('recheck', 'thanks'),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('deliver' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.nat(2_500) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('ask' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Simulates Gerrit, the connection, and one daemon after the other. */
class IntakeSimulation {
  readonly clock = new FakeClock();
  readonly store: Store = openStore(':memory:');
  readonly past = new FakeChangeHistory();
  readonly decided: Comment[] = [];
  readonly posted: Comment[] = [];
  /** Events that Gerrit has sent and the daemon has not received. */
  wire: Comment[] = [];
  connected = false;
  /** Changes of the pending catch-up; null: none. */
  pending: readonly number[] | 'everything' | null = null;
  intake: EventIntake;
  #life = { alive: true };
  #respond: ((answer: Answer) => void) | null = null;
  #request: HistoryRequest | null = null;
  /** The current catch-up; one that a lost connection cancelled may still run. */
  #catchUp: object | null = null;
  readonly #overlapMs: number;

  /** @param ids whether query results have message ids, as over REST */
  constructor(overlapMs: number, ids: boolean) {
    this.#overlapMs = overlapMs;
    this.past.ids = ids;
    this.intake = this.#daemon();
  }

  async begin(): Promise<void> {
    await this.intake.begin(null);
    this.connect();
  }

  connect(): void {
    this.connected = true;
    this.pending = 'everything';
    const life = this.#life;
    this.intake.attachHistory({
      read: (request) =>
        new Promise<Answer>((resolve) => {
          this.#request = request;
          this.#respond = (answer) => life.alive && resolve(answer);
        }),
    });
  }

  cut(): void {
    this.connected = false;
    this.wire = [];
    this.intake.markGap(null);
    // The query is lost with its connection.
    this.#catchUp = null;
    this.#respond = null;
  }

  async die(): Promise<void> {
    this.#life.alive = false;
    this.cut();
    this.#life = { alive: true };
    this.intake = this.#daemon();
    await this.intake.begin(null);
  }

  /** In the history a reply is separate from its message; the stream sends a silent reply without its text. */
  comment({ who, off, form, words }: Extract<Step, { do: 'comment' }>): void {
    const at = Math.floor(this.clock.now() / 1_000) * 1_000;
    const by = { username: `user-${who}`, name: '', email: '' };
    const common = { type: 'comment-added', patchset: PATCHSET, wip: false, private: false, by } as const;
    const commentWith = (text: string): Comment => {
      return { ...common, at, comment: `Patch Set 3:\n\n${text}`, approvals: [] };
    };
    // Without times a missed comment on a file cannot be distinguished from a missed reply.
    const onFile = form === 'on a file' && this.past.ids;
    this.posted.push(commentWith(onFile ? '' : words));
    if (form === 'message') this.past.say(commentWith(words));
    else this.past.say(commentWith('(1 comment)'), [onFile ? null : words]);
    const streamed = onFile || form === 'silent reply' ? '(1 comment)' : words;
    if (this.connected) this.wire.push({ ...commentWith(streamed), at: at + off * 1_000 });
  }

  deliver(): void {
    const event = this.wire.shift();
    const life = this.#life;
    if (event !== undefined) this.intake.handle(event).catch((error) => life.alive && Promise.reject(error));
  }

  ask(): void {
    if (!this.connected || this.#catchUp !== null || this.pending === null) return;
    const { pending } = this;
    this.pending = null;
    const query = {};
    this.#catchUp = query;
    const life = this.#life;
    const effect = {
      type: 'catchUp',
      key: 'catchUp',
      timeoutMs: 1,
      changes: pending === 'everything' ? null : pending,
    } as const;
    void this.intake.run(effect, new AbortController().signal).then(({ ambiguous }) => {
      if (!life.alive || this.#catchUp !== query) return;
      this.#catchUp = null;
      if (ambiguous.length > 0) this.#addPending(ambiguous);
    });
  }

  /** Gerrit responds with its current state. */
  async answer(): Promise<void> {
    const [asked, request] = [this.#respond, this.#request];
    this.#respond = null;
    if (asked !== null && request !== null)
      asked(await this.past.read(request, new AbortController().signal));
  }

  /** Runs without further failures until everything is delivered and caught up. */
  async end(): Promise<void> {
    if (!this.connected) this.connect();
    for (let rounds = 0; rounds < 200; rounds += 1) {
      this.deliver();
      this.ask();
      await settled();
      await this.answer();
      await settled();
      if (this.wire.length > 0 || this.pending !== null || this.#catchUp !== null) continue;
      // Waits for pending writes to the store.
      for (let turns = 0; turns < 5; turns += 1) await settled();
      if (this.pending === null) return;
    }
    throw new Error('not idle after 200 rounds');
  }

  #addPending(changes: readonly number[] | null): void {
    if (changes === null || this.pending === 'everything') this.pending = 'everything';
    else this.pending = [...(this.pending ?? []), ...changes];
  }

  #daemon(): EventIntake {
    const life = this.#life;
    const submit = async (_: unknown, noted: readonly IntakeUpdate[] = []): Promise<void> => {
      await settled();
      if (!life.alive) return new Promise(() => {});
      await this.store.append([], noted);
      if (!life.alive) return new Promise(() => {});
    };
    const mutex = new Semaphore(1);
    return new EventIntake({
      store: this.store,
      clock: this.clock,
      hash: sha256,
      limits: {
        overlapMs: this.#overlapMs,
        clockToleranceMs: 4_000,
        dedupRetentionMs: 120_000,
        maxOpenReviews: 10_000,
      },
      engine: { submit },
      admission: {
        projects: [PATCHSET.project],
        reportsOfOthers: 0,
        hasWork: () => false,
        runExclusive: (work) => mutex.run(work),
        decide: async (event, noted, _number, novelty = { is: 'untracked' }) => ({
          outcomes: [],
          durable: submit([], noted).then(() => {
            if (event.type === 'comment-added' && vetoOf(novelty) === null) this.decided.push(event);
          }),
        }),
      },
      onGap: (_, changes) => life.alive && this.#addPending(changes),
    });
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

async function apply(simulation: IntakeSimulation, it: Step): Promise<void> {
  switch (it.do) {
    case 'comment':
      return simulation.comment(it);
    case 'deliver':
      return simulation.deliver();
    case 'time':
      return simulation.clock.advance(it.ms);
    case 'settle':
      return settled();
    case 'ask':
      return simulation.ask();
    case 'answer':
      return simulation.answer();
    case 'cut':
      return simulation.connected ? simulation.cut() : undefined;
    case 'connect':
      return simulation.connected ? undefined : simulation.connect();
    default:
      return simulation.die();
  }
}

async function runStory(steps: readonly Step[], overlapMs: number, ids: boolean): Promise<IntakeSimulation> {
  const simulation = new IntakeSimulation(overlapMs, ids);
  await simulation.begin();
  for (const it of steps) await apply(simulation, it);
  await simulation.end();
  return simulation;
}

function counts(comments: readonly Comment[]): Readonly<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const { by, comment } of comments) {
    const what = `${by.username} ${written(comment)}`;
    all[what] = (all[what] ?? 0) + 1;
  }
  return all;
}

test.each([
  [600_000, false],
  [60_000, false],
  [600_000, true],
  [60_000, true],
])('each comment is decided once, with an overlap of %i ms, and ids: %s', LONG, async (overlapMs, ids) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      const simulation = await runStory(steps, overlapMs, ids);
      expect(counts(simulation.decided)).toEqual(counts(simulation.posted));
      simulation.store.close();
    }),
    { numRuns: runs(400) },
  );
});
