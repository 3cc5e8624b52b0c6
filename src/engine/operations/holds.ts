/**
 * Holds: operators' requests to keep the server of a job for debugging. A request reaches the jobs that it applies to
 * when it is made, and later jobs of its change when they are admitted.
 */
import type { Patchset } from '../../machines/model/domain.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import type { HoldStatus } from '../../machines/protocol/version.ts';
import { newest, versionOf } from '../../machines/versions.ts';
import type { Admission } from '../intake/admission.ts';
import type { NewId } from '../intake/ids.ts';
import { type Submission, submissionFor } from '../loop/dispatch.ts';
import type { Engine } from '../loop/engine.ts';
import type { Clock } from '../ports/adapters.ts';
import {
  type JobReference,
  type Operator,
  type OperatorAnswers,
  type OperatorRequest,
  Refused,
} from '../ports/operator-api.ts';
import type { JobView, Store } from '../ports/store.ts';

type Requested = Extract<OperatorRequest, { do: 'hold' }>;
type Released = Extract<OperatorRequest, { do: 'release' }>;

/** Each hold may keep a server, and every new job is compared with all of them. */
const MAX_HOLDS = 10;
/** Nobody debugs a server for longer, and meanwhile its slot is missing from the queue. */
const MAX_DURATION_MS = 7 * 86_400_000;
/** A request that no job matched within this time is forgotten: the change is merged or abandoned by then. */
const WAIT_MS = 7 * 86_400_000;
const JOBS_LIMIT = 10_000;

export interface HoldsOptions {
  readonly engine: Engine;
  readonly store: Store;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly admission: Pick<Admission, 'runExclusive' | 'jobNames'>;
}

export class Holds {
  private readonly options: HoldsOptions;

  constructor(options: HoldsOptions) {
    this.options = options;
  }

  /** @throws Refused */
  request(requested: Requested, operator: Operator): Promise<OperatorAnswers['hold']> {
    const { admission, engine } = this.options;
    return admission.runExclusive(async () => {
      // After this, jobs that were admitted before are in the store.
      await engine.submit([]);
      return this.begin(requested, operator);
    });
  }

  /** @throws Refused */
  async release({ target }: Released, { who, why }: Operator): Promise<OperatorAnswers['release']> {
    const { engine } = this.options;
    const released = openHolds(engine.histories.values()).filter((hold) => isNamed(hold, target));
    if (released.length === 0) {
      const what = 'hold' in target ? `hold ${target.hold}` : `hold of change ${target.change}`;
      throw new Refused('unknown', `there is no ${what}, or it has ended`, 'list them: sos-ci holds');
    }
    const event = { type: 'hold.released', by: who, why } as const;
    await engine.submit(released.map(({ hold }) => submissionFor(hold, event)));
    return { released: released.map(({ hold, held }) => ({ hold, server: held?.server.name ?? null })) };
  }

  private async begin(
    { target, durationMs }: Requested,
    { who, why }: Operator,
  ): Promise<OperatorAnswers['hold']> {
    const { engine, clock, newId } = this.options;
    this.assertPossible({ target, durationMs });
    const jobs = 'job' in target ? [this.openJob(target.job)] : this.openJobs(target);
    const hold = newId('h', clock.now());
    const requested: Submission = {
      history: hold,
      startsOn: newest.hold,
      event: { type: 'hold.requested', hold, target, durationMs, waitMs: WAIT_MS, by: who, why },
      settles: null,
      causationId: null,
    };
    const always = 'job' in target;
    await engine.submit([requested, ...jobs.map(({ id }) => holdRequestFor(id, hold, always))]);
    return { hold, jobs: jobs.map(referenceOf) };
  }

  private assertPossible({ target, durationMs }: Pick<Requested, 'target' | 'durationMs'>): void {
    const { engine, admission } = this.options;
    if (durationMs > MAX_DURATION_MS)
      throw new Refused(
        'refused',
        `a server is held for at most ${formatLimit(MAX_DURATION_MS)}`,
        '--hours 168',
      );
    const open = openHolds(engine.histories.values());
    const same = open.find(
      (hold) => hold.phase === 'waiting' && JSON.stringify(hold.target) === JSON.stringify(target),
    );
    if (same !== undefined)
      throw new Refused(
        'refused',
        `${same.by} has already requested this hold: ${same.hold}`,
        `end it first: sos-ci release ${same.hold}`,
      );
    if (open.length >= MAX_HOLDS)
      throw new Refused(
        'refused',
        `there are already ${MAX_HOLDS} holds`,
        'list them with sos-ci holds, then sos-ci release HOLD',
      );
    if ('job' in target || target.name === null || admission.jobNames.includes(target.name)) return;
    const known = `known: ${admission.jobNames.join(', ')}`;
    throw new Refused('unknown', `there is no job ${target.name}`, known);
  }

  private openJob(id: string): JobView {
    const job = this.options.store.job(id);
    if (job === null) throw new Refused('unknown', `there is no job ${id}`, 'list them: sos-ci jobs --open');
    if (!job.ended && !job.cleaningUp) return job;
    const holding = openHolds(this.options.engine.histories.values()).find(({ held }) => held?.job === id);
    if (holding !== undefined)
      throw new Refused(
        'refused',
        `the server of job ${id} is already held: ${holding.hold}`,
        'print its ssh command: sos-ci holds',
      );
    throw new Refused(
      'refused',
      `it is too late to hold the server of job ${id}: the job is in cleanup or has ended`,
      `keep the next one, and run it again: sos-ci hold ${job.change} ${job.name}; sos-ci recheck ${job.change}`,
    );
  }

  private openJobs({ change, name }: { readonly change: number; readonly name: string | null }) {
    const jobs = this.options.store.jobs({ open: true, change, limit: JOBS_LIMIT });
    return jobs.filter((job) => !job.cleaningUp && (name === null || job.name === name)).reverse();
  }
}

/** Tells the new jobs of a patchset about the holds that wait for them. */
export function holdsOfNewJobs(
  histories: Iterable<HistorySnapshot>,
  { change }: Pick<Patchset, 'change'>,
  jobs: readonly { readonly id: string; readonly name: string }[],
): readonly Submission[] {
  const waiting = openHolds(histories).filter(({ phase }) => phase === 'waiting');
  return jobs.flatMap(({ id, name }) =>
    waiting
      .filter(({ target }) => 'change' in target && target.change === change)
      .filter(({ target }) => 'change' in target && (target.name === null || target.name === name))
      .map(({ hold }) => holdRequestFor(id, hold, false)),
  );
}

function openHolds(histories: Iterable<HistorySnapshot>): readonly HoldStatus[] {
  return [...histories].flatMap((stored) => versionOf(stored).holdStatus(stored) ?? []);
}

function holdRequestFor(job: string, hold: string, always: boolean): Submission {
  return submissionFor(job, { type: 'job.hold-requested', hold, always });
}

function isNamed({ hold, target: own, held }: HoldStatus, target: Released['target']): boolean {
  if ('hold' in target) return hold === target.hold;
  return held?.change === target.change || ('change' in own && own.change === target.change);
}

function referenceOf({ id, name, state, change, patchset }: JobView): JobReference {
  return { id, name, state, change, patchset };
}
