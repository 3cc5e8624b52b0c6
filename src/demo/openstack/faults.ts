/**
 * Faults of the embedded OpenStack, like those of services, proxies and networks, before or after a call has taken
 * effect; and a stop between two calls, for tests that kill the client there.
 */
import type { ServiceName } from './reply.ts';

export interface CallPattern {
  readonly service?: ServiceName;
  readonly method?: string;
  /** Tested on the path below the version, without a leading slash: `servers`, `servers/ID/action`. */
  readonly path?: RegExp;
}

/** How a call fails. */
export type FaultKind =
  | { readonly status: number; readonly body?: string; readonly headers?: Readonly<Record<string, string>> }
  /** The first half of the body, then the connection closes. */
  | 'cut'
  /** The connection closes without an answer. */
  | 'close'
  /** Never answered; the connection stays open until `release` or the end of the cloud. */
  | 'hang';

export interface Fault extends CallPattern {
  readonly answer: FaultKind;
  /** Default: `before`, without effect. */
  readonly when?: 'before' | 'after';
  /** The first matching call that fails, from 1. Default 1. */
  readonly nth?: number;
  /** How many calls fail from there. Default 1. */
  readonly times?: number;
}

interface ActiveFault {
  readonly fault: Fault;
  seen: number;
}

export class CloudFaults {
  readonly #active: ActiveFault[] = [];
  readonly #held = new Set<() => void>();
  #stop: { left: number; readonly lost: boolean; readonly reached: () => void } | null = null;

  add(fault: Fault): void {
    this.#active.push({ fault, seen: 0 });
  }

  /** Removes all faults and ends the calls that hang. */
  clear(): void {
    this.#active.length = 0;
    this.#stop = null;
    this.release();
  }

  /** Closes the connections of the calls that hang. */
  release(): void {
    for (const end of this.#held) end();
    this.#held.clear();
  }

  /**
   * Lets `changes` more modifying calls take effect. The next one is never answered, and takes effect only if its
   * answer is `lost`. Resolves when the client waits for that answer, so that the test can kill it. `clear` ends
   * this.
   */
  stopAfterChanges(changes: number, { lost }: { readonly lost: boolean }): Promise<void> {
    return new Promise((reached) => {
      this.#stop = { left: changes, lost, reached };
    });
  }

  /** The fault of this call; null: none. */
  next(call: Required<Omit<CallPattern, 'path'>> & { readonly path: string }): Fault | null {
    // The only supported action reads the console.
    if (this.#stop !== null && call.method !== 'GET' && !call.path.endsWith('/action')) {
      if (this.#stop.left <= 0) return { answer: 'hang', when: this.#stop.lost ? 'after' : 'before' };
      this.#stop.left -= 1;
    }
    const matching = this.#active.filter(({ fault }) => matches(fault, call));
    for (const active of matching) active.seen += 1;
    const due = matching.find(({ fault, seen }) => {
      const first = fault.nth ?? 1;
      return seen >= first && seen < first + (fault.times ?? 1);
    });
    return due?.fault ?? null;
  }

  /** Holds a call until `release`. */
  hold(end: () => void): void {
    this.#held.add(end);
    this.#stop?.reached();
  }
}

function matches(
  fault: CallPattern,
  call: { readonly service: ServiceName; readonly method: string; readonly path: string },
): boolean {
  return (
    (fault.service === undefined || fault.service === call.service) &&
    (fault.method === undefined || fault.method === call.method) &&
    (fault.path === undefined || fault.path.test(call.path))
  );
}
