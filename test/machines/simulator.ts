/**
 * Simulates the engine and everything outside of it: passes events through `step`, keeps the rows, settles effects from
 * a table, fires timers in the order of their due times, and appends events between histories at once, as the engine
 * does. Slots are always granted. Nothing waits and nothing is random.
 */
import { hash } from 'node:crypto';
import type { JobSpec, PreparePlan } from '../../src/machines/model/domain.ts';
import type { ReportSpec } from '../../src/machines/model/report-spec.ts';
import type { KeyedEffect } from '../../src/machines/protocol/effects.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import {
  type HistorySnapshot,
  type LogRow,
  type MachineName,
  requestedKeys,
} from '../../src/machines/protocol/row.ts';
import { step } from '../../src/machines/step.ts';
import { verdictsOf } from '../../src/machines/verdicts/verdicts.ts';
import { successEvent } from './answers.ts';
import { accepted, JOB, jobSpec, opened, preparePlan, REVIEW, reportSpec, START, TREE } from './facts.ts';

export const sha256 = (text: string) => hash('sha256', text);

/** The event that settles an effect; null leaves it in flight. */
export type Answers = (effect: KeyedEffect, simulator: Simulator) => AnyEvent | null;

/** The machine of a history, by its first event. */
const FIRST_EVENTS: Readonly<Record<string, MachineName>> = {
  'review.opened': 'review@1',
  'publication.opened': 'publication@1',
  'hold.requested': 'hold@1',
  'cleaning.requested': 'janitor@1',
  'stream.started': 'stream@1',
  'voting.opened': 'voting@1',
  'runs.admitted': 'verdicts@1',
  'histories.archived': 'archive@1',
};

interface SendOptions {
  readonly settles?: string;
  readonly cause?: string;
}

export class Simulator {
  now = START;
  readonly rows = new Map<string, LogRow[]>();
  /** The rows of all histories in the order in which they were appended. */
  readonly log: LogRow[] = [];
  readonly stored = new Map<string, HistorySnapshot>();
  /** Events that were sent to histories that do not exist. */
  readonly undelivered: { readonly to: string; readonly event: AnyEvent }[] = [];
  /** Names of the servers that exist. */
  readonly servers = new Set<string>();
  votes: Readonly<Record<string, number>> = {};
  answers: Answers;

  constructor(answers: Answers = () => null) {
    this.answers = answers;
  }

  /** A review and its jobs, as admission opens them. */
  static reviewWithJobs(
    specs: readonly JobSpec[] = [jobSpec()],
    report: ReportSpec = reportSpec(),
  ): Simulator {
    const simulator = new Simulator(succeed);
    const jobs = specs.map((spec, index) => ({ spec, job: `job-${index + 1}` }));
    const named = jobs.map(({ job, spec }) => ({ job, name: spec.name, voting: spec.voting }));
    simulator.send(REVIEW, opened(report, named));
    for (const { job, spec } of jobs) simulator.send(job, accepted(spec, job));
    return simulator;
  }

  /** One released job without its review. */
  static job(spec: JobSpec = jobSpec()): Simulator {
    const simulator = new Simulator(succeed);
    simulator.send(JOB, accepted(spec));
    simulator.send(JOB, { type: 'job.ready', trees: [TREE] });
    return simulator;
  }

  /** A review that has prepared its patchset, and no jobs. */
  static review(report: ReportSpec = reportSpec()): Simulator {
    const simulator = Simulator.unprepared(preparePlan(), report);
    simulator.answerType(REVIEW, 'lookUpChange');
    simulator.answerType(REVIEW, 'mergePatchset');
    simulator.undelivered.length = 0;
    return simulator;
  }

  /** A review that has not prepared its patchset, and no jobs. */
  static unprepared(plan: PreparePlan = preparePlan(), report: ReportSpec = reportSpec()): Simulator {
    const simulator = new Simulator(succeed);
    simulator.send(REVIEW, opened(report, undefined, plan));
    return simulator;
  }

  /** A copy, which continues independently. */
  fork(): Simulator {
    const simulator = new Simulator(this.answers);
    simulator.now = this.now;
    simulator.votes = this.votes;
    for (const [history, rows] of this.rows) simulator.rows.set(history, [...rows]);
    for (const [history, stored] of this.stored) simulator.stored.set(history, stored);
    for (const name of this.servers) simulator.servers.add(name);
    simulator.log.push(...this.log);
    simulator.undelivered.push(...this.undelivered);
    return simulator;
  }

  /** Appends one event, and the events that it sends to other histories. Returns its row. */
  send(history: string, event: AnyEvent, { settles, cause }: SendOptions = {}): LogRow {
    this.#trackServers(event);
    if (event.type === 'review.opened') this.#admit(event);
    const before = this.stored.get(history) ?? null;
    const machine = before?.machine ?? FIRST_EVENTS[event.type] ?? 'job@1';
    const { stored, row } = step(
      before,
      { history, machine, event, at: this.now, settles: settles ?? null, causationId: cause ?? null },
      sha256,
      (key) => this.rowsOf(history).some((earlier) => requestedKeys(earlier).includes(key)),
    );
    this.stored.set(history, stored);
    this.log.push(row);
    this.rows.set(history, [...(this.rows.get(history) ?? []), row]);
    for (const effect of row.effects) {
      if (effect.type !== 'sendEvent') continue;
      if (this.stored.has(effect.to) || effect.startsOn !== undefined)
        this.send(effect.to, effect.event, { cause: `${history}/${row.version}` });
      else this.undelivered.push(effect);
    }
    return row;
  }

  /** Settles a pending effect; without an event: successfully. */
  answer(history: string, key: string, event?: AnyEvent): LogRow {
    const effect = this.at(history).pending[key];
    if (effect === undefined) throw new Error(`${history} has no pending effect ${key}`);
    if (effect.type === 'setTimer') this.now = Math.max(this.now, effect.dueAt);
    return this.send(history, event ?? successEvent(effect, this.votes), { settles: key });
  }

  /** Settles the only pending effect of this type. */
  answerType(history: string, type: KeyedEffect['type'], event?: AnyEvent): LogRow {
    const [effect, ...more] = this.pendingEffects(history).filter((pending) => pending.type === type);
    if (effect === undefined || more.length > 0)
      throw new Error(`${history} has not exactly one pending ${type}`);
    return this.answer(history, effect.key, event);
  }

  /** Fires the only timer that is set. */
  fire(history: string): LogRow {
    return this.answerType(history, 'setTimer');
  }

  at(history: string): HistorySnapshot {
    const stored = this.stored.get(history);
    if (stored === undefined) throw new Error(`no history ${history}`);
    return stored;
  }

  pendingEffects(history: string): readonly KeyedEffect[] {
    return Object.values(this.at(history).pending);
  }

  /** Pending effects that an adapter is performing. */
  inFlight(history: string): readonly KeyedEffect[] {
    return this.pendingEffects(history).filter(
      (effect) => effect.type !== 'setTimer' && effect.type !== 'acquireSlot',
    );
  }

  rowsOf(history: string): readonly LogRow[] {
    return this.rows.get(history) ?? [];
  }

  get ended(): boolean {
    return [...this.stored.values()].every((stored) => stored.ended);
  }

  /** Settles the oldest effect that has an answer, else fires the next timer. False: nothing is left to do. */
  next(): boolean {
    for (const history of this.stored.keys()) {
      for (const effect of this.pendingEffects(history)) {
        if (effect.type === 'setTimer') continue;
        const event = this.answers(effect, this);
        if (event === null) continue;
        this.answer(history, effect.key, event);
        return true;
      }
    }
    const due = [...this.stored.keys()]
      .flatMap((history) => this.pendingEffects(history).map((effect) => ({ history, effect })))
      .flatMap(({ history, effect }) => (effect.type === 'setTimer' ? [{ history, effect }] : []))
      .sort((one, other) => one.effect.dueAt - other.effect.dueAt)[0];
    if (due === undefined) return false;
    this.answer(due.history, due.effect.key);
    return true;
  }

  /** Runs until nothing is left to do. @throws after more than `limit` steps */
  run(limit = 500): this {
    for (let steps = 0; this.next(); steps += 1) {
      if (steps >= limit) throw new Error(`no end after ${limit} steps: ${this.summary()}`);
    }
    return this;
  }

  summary(): string {
    return [...this.stored.values()].map(({ history, state }) => `${history} ${state}`).join(', ');
  }

  /** Admission records a review in the change's verdicts in the same transaction. */
  #admit({ review, patchset, jobs }: Extract<AnyEvent, { type: 'review.opened' }>): void {
    const named = jobs.map(({ job, name, voting }) => ({ job, name, voting }));
    this.send(verdictsOf(patchset), {
      type: 'runs.admitted',
      review,
      patchset: patchset.patchset,
      branch: patchset.branch,
      jobs: named,
    });
  }

  #trackServers(event: AnyEvent): void {
    if (event.type === 'server.active') this.servers.add(event.server.name);
    if (event.type === 'server.deleted') this.servers.clear();
  }
}

/** Every effect succeeds, and Gerrit keeps every vote. */
export const succeed: Answers = (effect, simulator) => {
  if (effect.type === 'postReview') simulator.votes = { ...simulator.votes, ...effect.labels };
  return successEvent(effect, simulator.votes);
};

/** Every effect succeeds, except that `event` settles those of one type; null leaves them in flight. */
export function succeedExcept(type: KeyedEffect['type'], event: AnyEvent | null): Answers {
  return (effect, simulator) => (effect.type === type ? event : succeed(effect, simulator));
}

/** Runs the simulation until the history reaches this state. */
export function runUntil(simulator: Simulator, history: string, state: string): Simulator {
  for (let steps = 0; simulator.at(history).state !== state; steps += 1) {
    if (steps > 100 || !simulator.next())
      throw new Error(`${history} never reached ${state}: ${simulator.summary()}`);
  }
  return simulator;
}
