/**
 * Gerrit's changes, in memory. An unknown change is shown as requested: open, with the requested patchset as the
 * current one, one file and no dependencies. A change that a test has defined with `show` is shown in that way, so a
 * later patchset does not exist yet.
 */
import type { Changes, EffectOf } from '../../src/engine/ports/adapters.ts';
import { OperationError } from '../../src/errors.ts';
import type {
  AccountVote,
  Dependency,
  Failure,
  Patchset,
  ResolvedChange,
} from '../../src/machines/model/domain.ts';
import { CallController, type Hold } from './call-controller.ts';

export interface ShownChange {
  readonly patchset: Patchset;
  readonly status: ResolvedChange['status'];
  readonly wip: boolean;
  readonly private: boolean;
  readonly files: readonly string[] | null;
  readonly votes: readonly AccountVote[];
  /** Numbers of the changes in its `Depends-On` lines. Undefined ones are missing. */
  readonly dependsOn: readonly number[];
  /** The change that its commit is stacked on. */
  readonly on: number | null;
}

const MISSING: ResolvedChange = {
  status: 'missing',
  current: 0,
  wip: false,
  private: false,
  files: null,
  votes: [],
  dependencies: [],
  trouble: null,
};

export class FakeChanges implements Changes {
  /** Fails, holds, releases, counts and awaits calls by name: `lookUp`. */
  readonly calls = new CallController<'lookUp'>();
  readonly #shown = new Map<number, ShownChange>();

  lookUp(request: EffectOf<'lookUpChange'>, signal: AbortSignal): Promise<ResolvedChange> {
    return this.calls.perform('lookUp', signal, () => this.#resolve(request));
  }

  /** Gerrit shows this change from now on; omitted fields keep their values. */
  show(patchset: Patchset, facts: Partial<Omit<ShownChange, 'patchset'>> = {}): void {
    const before = this.#shown.get(patchset.change) ?? defaultChange(patchset);
    this.#shown.set(patchset.change, { ...before, ...facts, patchset });
  }

  /** The next lookup (or the next few, called again) fails. */
  failNext(failure: Failure): void {
    this.calls.failNext(failure);
  }

  /** The next lookup hangs until `release`. */
  holdNext(hold: Hold = 'answer'): void {
    this.calls.holdNext(hold);
  }

  release(): boolean {
    return this.calls.release();
  }

  #resolve(request: EffectOf<'lookUpChange'>): ResolvedChange {
    const { patchset, dependencyLimit } = request;
    const shown = this.#shown.get(patchset.change) ?? defaultChange(patchset);
    if (shown.status === 'missing') return MISSING;
    const { patchset: current, branch } = shown.patchset;
    if (current < patchset.patchset) throw notVisibleYet(patchset);
    const { status, wip, private: hidden, files, votes } = shown;
    const needs = this.#dependencies(shown, dependencyLimit);
    return { status, current, branch, wip, private: hidden, files, votes, ...needs };
  }

  #dependencies(root: ShownChange, limit: number): Pick<ResolvedChange, 'dependencies' | 'trouble'> {
    const dependencies: Dependency[] = [];
    const done = new Set<number>();
    const trouble = (why: string) => ({ dependencies: [], trouble: why });
    const visit = (number: number, path: readonly number[]): string | null => {
      const change = number === root.patchset.change ? root : this.#shown.get(number);
      if (path.includes(number)) return `a cycle of dependencies: ${[...path, number].join(' -> ')}`;
      if (change === undefined || change.status === 'missing')
        return `it depends on ${number}, which is missing`;
      if (change.status === 'abandoned' && change !== root)
        return `it depends on ${number}, which is abandoned`;
      if (done.has(number) || (change.status === 'merged' && change !== root)) return null;
      for (const next of this.#directDependencies(change)) {
        const why = visit(next, [...path, number]);
        if (why !== null) return why;
      }
      done.add(number);
      if (change !== root) dependencies.push(dependencyOf(change.patchset));
      return dependencies.length > limit ? `it depends on more than ${limit} changes` : null;
    };
    const why = visit(root.patchset.change, []);
    return why === null ? { dependencies, trouble: null } : trouble(why);
  }

  /** Its dependencies, after those of the open changes that it is stacked on. */
  #directDependencies({ on, dependsOn }: ShownChange): readonly number[] {
    const under = on === null ? undefined : this.#shown.get(on);
    return under?.status === 'open' ? [...this.#directDependencies(under), ...dependsOn] : dependsOn;
  }
}

function defaultChange(patchset: Patchset): ShownChange {
  return {
    patchset,
    status: 'open',
    wip: false,
    private: false,
    files: ['README'],
    votes: [],
    dependsOn: [],
    on: null,
  };
}

function dependencyOf({ project, branch, change, patchset, revision, ref }: Patchset): Dependency {
  return { project, branch, change, patchset, revision, ref };
}

function notVisibleYet({ change, patchset }: Patchset): OperationError {
  return new OperationError({
    operation: 'look up change',
    target: `${change},${patchset}`,
    message: `Gerrit does not show ${change},${patchset} yet`,
    retryable: true,
    hint: 'sos-ci tries again automatically',
  });
}
