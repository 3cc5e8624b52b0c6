/**
 * Stream and looks in any interleaving, a daemon that dies anywhere, a connection that breaks anywhere, times that are
 * off by a second, replies that stream and history word differently: every comment is decided once. Judged by counts,
 * because equal comments cannot be told apart.
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
type Answer = { readonly changes: readonly ChangeHistory[]; readonly unread: number };

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

/** Gerrit, the wire, and one daemon after the other. */
class Story {
  readonly clock = new FakeClock();
  readonly store: Store = openStore(':memory:');
  readonly past = new FakeChangeHistory();
  readonly decided: Comment[] = [];
  readonly posted: Comment[] = [];
  /** On its way from Gerrit to us. */
  wire: Comment[] = [];
  connected = false;
  /** What has to be looked at; null: nothing. */
  pending: readonly number[] | 'everything' | null = null;
  intake: EventIntake;
  #life = { alive: true };
  #asked: ((answer: Answer) => void) | null = null;
  #request: HistoryRequest | null = null;
  /** The look that is under way; one that a cut took back may still go on. */
  #looking: object | null = null;
  readonly #overlapMs: number;

  /** @param ids Gerrit is asked by REST, which tells the ids of messages */
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
          this.#asked = (answer) => life.alive && resolve(answer);
        }),
    });
  }

  cut(): void {
    this.connected = false;
    this.wire = [];
    this.intake.markGap(null);
    // The question goes with its connection.
    this.#looking = null;
    this.#asked = null;
  }

  async die(): Promise<void> {
    this.#life.alive = false;
    this.cut();
    this.#life = { alive: true };
    this.intake = this.#daemon();
    await this.intake.begin(null);
  }

  /** A reply is told apart from its message in the history, and a silent one by the stream without its words. */
  comment({ who, off, form, words }: Extract<Step, { do: 'comment' }>): void {
    const at = Math.floor(this.clock.now() / 1_000) * 1_000;
    const by = { username: `user-${who}`, name: '', email: '' };
    const common = { type: 'comment-added', patchset: PATCHSET, wip: false, private: false, by } as const;
    const commentWith = (text: string): Comment => {
      return { ...common, at, comment: `Patch Set 3:\n\n${text}`, approvals: [] };
    };
    // Without times nothing tells a comment on a file from a reply, when neither was heard.
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
    if (!this.connected || this.#looking !== null || this.pending === null) return;
    const { pending } = this;
    this.pending = null;
    const query = {};
    this.#looking = query;
    const life = this.#life;
    const effect = {
      type: 'catchUp',
      key: 'catchUp',
      timeoutMs: 1,
      changes: pending === 'everything' ? null : pending,
    } as const;
    void this.intake.run(effect, new AbortController().signal).then(({ unsure }) => {
      if (!life.alive || this.#looking !== query) return;
      this.#looking = null;
      if (unsure.length > 0) this.#owe(unsure);
    });
  }

  /** Gerrit answers as it stands now. */
  async answer(): Promise<void> {
    const [asked, request] = [this.#asked, this.#request];
    this.#asked = null;
    if (asked !== null && request !== null)
      asked(await this.past.read(request, new AbortController().signal));
  }

  /** Nothing breaks any more: everything is delivered, asked and answered. */
  async end(): Promise<void> {
    if (!this.connected) this.connect();
    for (let rounds = 0; rounds < 200; rounds += 1) {
      this.deliver();
      this.ask();
      await settled();
      await this.answer();
      await settled();
      if (this.wire.length > 0 || this.pending !== null || this.#looking !== null) continue;
      // What is on its way to the store arrives.
      for (let turns = 0; turns < 5; turns += 1) await settled();
      if (this.pending === null) return;
    }
    throw new Error('it never comes to rest');
  }

  #owe(changes: readonly number[] | null): void {
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
        runExclusive: (work) => mutex.run(work),
        decide: async (event, noted, _number, novelty = { is: 'untracked' }) => ({
          outcomes: [],
          durable: submit([], noted).then(() => {
            if (event.type === 'comment-added' && vetoOf(novelty) === null) this.decided.push(event);
          }),
        }),
      },
      onGap: (_, changes) => life.alive && this.#owe(changes),
    });
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

async function happen(story: Story, it: Step): Promise<void> {
  switch (it.do) {
    case 'comment':
      return story.comment(it);
    case 'deliver':
      return story.deliver();
    case 'time':
      return story.clock.advance(it.ms);
    case 'settle':
      return settled();
    case 'ask':
      return story.ask();
    case 'answer':
      return story.answer();
    case 'cut':
      return story.connected ? story.cut() : undefined;
    case 'connect':
      return story.connected ? undefined : story.connect();
    default:
      return story.die();
  }
}

async function runStory(steps: readonly Step[], overlapMs: number, ids: boolean): Promise<Story> {
  const story = new Story(overlapMs, ids);
  await story.begin();
  for (const it of steps) await happen(story, it);
  await story.end();
  return story;
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
      const story = await runStory(steps, overlapMs, ids);
      expect(counts(story.decided)).toEqual(counts(story.posted));
      story.store.close();
    }),
    { numRuns: runs(400) },
  );
});
