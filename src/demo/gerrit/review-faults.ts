/**
 * What can go wrong between a review and its answer, switched on by tests and by the demo: the request is late, the
 * answer is late, or the connection breaks after Gerrit has taken it. Each fault meets one review, the next one.
 */

/** A review on hold. */
export interface HeldReview {
  /** Resolves when a review stands where it is held. */
  readonly reached: Promise<void>;
  /** Lets it go on. */
  release(): void;
}

export type HoldPoint = 'before-taken' | 'after-taken';

type Fault =
  | { readonly kind: 'hold'; readonly at: HoldPoint; readonly reach: () => void; readonly go: Promise<void> }
  | { readonly kind: 'drop-answer'; readonly reach: () => void }
  | { readonly kind: 'fail'; readonly status: number; readonly stderr: string }
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly text: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly taken: boolean;
    };

export class ReviewFaults {
  readonly #next: Fault[] = [];

  /** Before: Gerrit has the request and has not acted. After: it has acted and not answered. */
  hold(at: HoldPoint): HeldReview {
    const reached = deferred();
    const go = deferred();
    this.#next.push({ kind: 'hold', at, reach: reached.open, go: go.opened });
    return { reached: reached.opened, release: go.open };
  }

  /** The connection breaks after the review was taken, before its exit status. Resolves then. */
  dropResponse(): Promise<void> {
    const reached = deferred();
    this.#next.push({ kind: 'drop-answer', reach: reached.open });
    return reached.opened;
  }

  /** Nothing is taken; the command ends like this. */
  fail(status: number, stderr: string): void {
    this.#next.push({ kind: 'fail', status, stderr });
  }

  /** By REST: the next review is answered like this, as by a proxy, whether Gerrit has taken it or not. */
  respond(
    status: number,
    text: string,
    more: { readonly headers?: Readonly<Record<string, string>>; readonly taken?: boolean } = {},
  ): void {
    this.#next.push({
      kind: 'answer',
      status,
      text,
      headers: more.headers ?? {},
      taken: more.taken ?? false,
    });
  }

  next(): Fault | undefined {
    return this.#next.shift();
  }
}

function deferred(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
