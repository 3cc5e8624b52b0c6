/**
 * Slots limit how many jobs hold a server of each provider, run under one name, run for one project, and use one back
 * end. Janitors take their back ends in the same way. The holders follow from the stored states, the waiting requests
 * from pending effects, and the order from when each project was last served. A free slot is granted immediately in the
 * order of machines/slot-queue.ts, without polling.
 */
import {
  fairShareKey,
  nextRequest,
  type SlotHolder,
  type SlotLimits,
  type SlotQueue,
  type SlotRequest,
} from '../../machines/slot-queue.ts';
import type { LastServed } from '../ports/store.ts';

export interface SlotsOptions {
  readonly limits: SlotLimits;
  /** Wall clock, ms since the epoch. */
  readonly now: () => number;
  readonly grant: (request: SlotRequest) => void;
}

export class Slots {
  private readonly options: SlotsOptions;
  private current: SlotLimits;
  private readonly holders = new Map<string, SlotHolder>();
  private readonly waiting = new Map<string, SlotRequest>();
  /** Keys of slots that are granted but not in the log yet, by history. */
  private readonly granted = new Map<string, string>();
  private readonly served = new Map<string, number>();
  private requests = 0;
  private lastTurn = 0;
  private suspensions = 0;
  private serving = false;

  constructor(options: SlotsOptions) {
    this.options = options;
    this.current = options.limits;
  }

  get limits(): SlotLimits {
    return this.current;
  }

  get queue(): SlotQueue {
    const [waiting, holders] = [[...this.waiting.values()], [...this.holders.values()]];
    return { waiting, holders, served: this.served };
  }

  /** Applies new limits from now on; holders keep their slots, also above a limit. */
  setLimits(limits: SlotLimits): void {
    this.current = limits;
    this.serve();
  }

  request(request: Omit<SlotRequest, 'order'>): void {
    this.requests += 1;
    this.waiting.set(request.history, { ...request, order: this.requests });
    this.serve();
  }

  /** Withdraws a request; one that was granted or never existed is not an error. */
  withdraw(history: string, key: string): void {
    if (this.granted.get(history) === key) this.granted.delete(history);
    if (this.waiting.get(history)?.key === key) this.waiting.delete(history);
    // The withdrawn request may have reserved slots, which are free for others now.
    this.serve();
  }

  /**
   * Updates a job from a committed row: `holder` is what the job counts against, null when it holds no slot. While a
   * grant is not in the log yet (`isPending` for its request) the slot is not free.
   */
  sync(history: string, holder: SlotHolder | null, isPending: (key: string) => boolean = () => false): void {
    const key = this.granted.get(history);
    if (holder === null && key !== undefined && isPending(key)) return;
    this.granted.delete(history);
    if (holder !== null) this.holders.set(history, holder);
    else if (this.holders.delete(history)) this.serve();
  }

  /** Restores when earlier daemons served each project, oldest first. */
  restoreServedTimes(turns: readonly LastServed[]): void {
    for (const turn of turns) this.recordTurn(turn, turn.at);
  }

  /** Grants nothing until the returned function is called; requests until then are ordered together. */
  suspend(): () => void {
    this.suspensions += 1;
    let resumed = false;
    return () => {
      if (resumed) return;
      resumed = true;
      this.suspensions -= 1;
      this.serve();
    };
  }

  /** Grants nothing more, for draining. */
  stop(): void {
    this.suspend();
  }

  private serve(): void {
    // `grant` may release or request a slot synchronously, which calls this again.
    if (this.serving) return;
    this.serving = true;
    try {
      while (this.suspensions === 0 && this.waiting.size > 0) {
        const next = nextRequest(this.queue, this.current, this.options.now());
        if (next === null) return;
        this.waiting.delete(next.history);
        this.holders.set(next.history, next);
        this.granted.set(next.history, next.key);
        if (!next.isJanitor) this.recordTurn(next, this.options.now());
        this.options.grant(next);
      }
    } finally {
      this.serving = false;
    }
  }

  /** Gives every turn a distinct time, so their order is unambiguous. */
  private recordTurn(holder: Pick<SlotHolder, 'provider' | 'project'>, at: number): void {
    this.lastTurn = Math.max(at, this.lastTurn + 1);
    this.served.set(fairShareKey(holder), this.lastTurn);
  }
}
