/**
 * Faults between a review and its response, injected by tests and the demo: a late request, a late response, a
 * connection that breaks after Gerrit accepted the review, a failure, or a response of a proxy. Each fault applies to
 * the next review only.
 */

/** A held review. */
export interface HeldReview {
  /** Resolves when a review is being held. */
  readonly reached: Promise<void>;
  /** Lets the review continue. */
  release(): void;
}

export type HoldPoint = 'before-applied' | 'after-applied';

type Fault =
  | {
      readonly kind: 'hold';
      readonly at: HoldPoint;
      readonly reach: () => void;
      readonly resume: Promise<void>;
    }
  | { readonly kind: 'drop-response'; readonly reach: () => void }
  | { readonly kind: 'fail'; readonly status: number; readonly stderr: string }
  | {
      readonly kind: 'response';
      readonly status: number;
      readonly text: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly applied: boolean;
    };

export class ReviewFaults {
  readonly #next: Fault[] = [];

  /** Before: Gerrit has the request and has not applied it. After: Gerrit has applied it and has not responded. */
  hold(at: HoldPoint): HeldReview {
    const reached = deferred();
    const resume = deferred();
    this.#next.push({ kind: 'hold', at, reach: reached.open, resume: resume.opened });
    return { reached: reached.opened, release: resume.open };
  }

  /** Breaks the connection after the review was applied and before its exit status. Resolves then. */
  dropResponse(): Promise<void> {
    const reached = deferred();
    this.#next.push({ kind: 'drop-response', reach: reached.open });
    return reached.opened;
  }

  /** Applies nothing; the command ends with this status and text. */
  fail(status: number, stderr: string): void {
    this.#next.push({ kind: 'fail', status, stderr });
  }

  /** REST only: responds to the next review like a proxy; `applied` says whether Gerrit applies it. */
  respond(
    status: number,
    text: string,
    more: { readonly headers?: Readonly<Record<string, string>>; readonly applied?: boolean } = {},
  ): void {
    this.#next.push({
      kind: 'response',
      status,
      text,
      headers: more.headers ?? {},
      applied: more.applied ?? false,
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
