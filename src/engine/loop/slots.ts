/**
 * Slots: how many jobs may hold a server of each provider, run under one name, and run for one project. Who holds one
 * follows from the jobs' stored states, who waits from the effects that they are owed, and whose turn it is from when
 * each project was last served. A free slot is given on at once, to whom machines/queue.ts says; nothing polls.
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
  readonly grant: (history: string, key: string) => void;
}

export class Slots {
  private readonly options: SlotsOptions;
  private current: SlotLimits;
  private readonly holders = new Map<string, SlotHolder>();
  private readonly waiting = new Map<string, SlotRequest>();
  /** Granted, and not in the log yet: the key by history. */
  private readonly granted = new Map<string, string>();
  private readonly served = new Map<string, number>();
  private requests = 0;
  private lastTurn = 0;
  private held = 0;
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

  /** From now on; who holds a slot keeps it, also over a limit. */
  setLimits(limits: SlotLimits): void {
    this.current = limits;
    this.serve();
  }

  request(request: Omit<SlotRequest, 'order'>): void {
    this.requests += 1;
    this.waiting.set(request.history, { ...request, order: this.requests });
    this.serve();
  }

  /** Takes a request back; one that was granted or never was is no error. */
  withdraw(history: string, key: string): void {
    if (this.granted.get(history) === key) this.granted.delete(history);
    if (this.waiting.get(history)?.key === key) this.waiting.delete(history);
    // What it kept for itself is free for others.
    this.serve();
  }

  /**
   * What a committed row says of its job: `holder` is what it counts against, null when it holds no slot. While a grant
   * is on its way to the log (its request is `owed` still) the slot is not free.
   */
  sync(history: string, holder: SlotHolder | null, owed: (key: string) => boolean = () => false): void {
    const key = this.granted.get(history);
    if (holder === null && key !== undefined && owed(key)) return;
    this.granted.delete(history);
    if (holder !== null) this.holders.set(history, holder);
    else if (this.holders.delete(history)) this.serve();
  }

  /** What an earlier daemon has served, oldest first. */
  restoreTurns(turns: readonly LastServed[]): void {
    for (const turn of turns) this.takeTurn(turn, turn.at);
  }

  /** Grants nothing until the returned function is called: what is told meanwhile is weighed together. */
  suspend(): () => void {
    this.held += 1;
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.held -= 1;
      this.serve();
    };
  }

  /** Grants nothing more, for draining. */
  stop(): void {
    this.suspend();
  }

  private serve(): void {
    // A grant may be answered within the call, with something that frees a slot or asks for one.
    if (this.serving) return;
    this.serving = true;
    try {
      while (this.held === 0 && this.waiting.size > 0) {
        const next = nextRequest(this.queue, this.current, this.options.now());
        if (next === null) return;
        this.waiting.delete(next.history);
        const { provider, name, project } = next;
        this.holders.set(next.history, { provider, name, project });
        this.granted.set(next.history, next.key);
        this.takeTurn(next, this.options.now());
        this.options.grant(next.history, next.key);
      }
    } finally {
      this.serving = false;
    }
  }

  /** No two turns are at the same time, so that their order is certain. */
  private takeTurn(holder: Pick<SlotHolder, 'provider' | 'project'>, at: number): void {
    this.lastTurn = Math.max(at, this.lastTurn + 1);
    this.served.set(fairShareKey(holder), this.lastTurn);
  }
}
