/**
 * Points at which a test kills a daemon. At the given point the process records in a file that it has reached it, and
 * blocks until SIGKILL. Points are `before:NAME#N` and `after:NAME#N`: NAME is an effect, `append`, or `archive` for the append of
 * rows that leave the database; N counts from 1.
 * With `list` the process never blocks and records every point that it reaches.
 */
import { appendFileSync, writeFileSync } from 'node:fs';
import type { Wrappers } from '../../src/app/build-adapters.ts';
import type { Adapters, Provider } from '../../src/engine/ports/adapters.ts';
import type { Store } from '../../src/engine/ports/store.ts';

/** @param file where the process records the points that it reaches */
export function faultAt(point: string, file: string): Wrappers {
  return wrappers(hang(point, file));
}

type Reach = (point: string) => void;

function wrappers(reach: Reach): Wrappers {
  const around = <A extends unknown[], R>(name: string, work: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      reach(`before:${name}`);
      const result = await work(...args);
      reach(`after:${name}`);
      return result;
    };
  };
  return {
    store(store) {
      const append = (...args: Parameters<Store['append']>) => {
        const name = args[0].some(({ row }) => row.type === 'histories.archived') ? 'archive' : 'append';
        return around(name, () => store.append(...args))();
      };
      return new Proxy(store, {
        get(target, property) {
          if (property === 'append') return append;
          const value: unknown = Reflect.get(target, property, target);
          return typeof value === 'function' ? value.bind(target) : value;
        },
      });
    },
    adapters: (adapters) => faultyAdapters(adapters, around),
    provider: (provider) => faultyProvider(provider, around),
  };
}

type Around = <A extends unknown[], R>(
  name: string,
  work: (...args: A) => Promise<R>,
) => (...args: A) => Promise<R>;

function faultyProvider(provider: Provider, around: Around): Provider {
  return {
    name: provider.name,
    slots: provider.slots,
    create: around('createServer', (request, signal) => provider.create(request, signal)),
    list: (owner, signal) => provider.list(owner, signal),
    delete: around('deleteServer', (...what) => provider.delete(...what)),
    open: (...what) => provider.open(...what),
    describe: (...what) => provider.describe(...what),
    whyGone: (...what) => provider.whyGone(...what),
  };
}

function faultyAdapters(adapters: Adapters, around: Around): Adapters {
  const { catchUp, changes, merger, source, runner, janitors, evidence, reviewer, alarms, mailer } = adapters;
  return {
    providers: adapters.providers,
    catchUp: { run: around('catchUp', (request, signal) => catchUp.run(request, signal)) },
    changes: { lookUp: around('lookUpChange', (request, signal) => changes.lookUp(request, signal)) },
    merger: {
      merge: around('mergePatchset', (request, signal) => merger.merge(request, signal)),
      reviews: () => merger.reviews(),
      drop: (review) => merger.drop(review),
    },
    source: {
      fetch: around('fetchPatchset', (request, signal) => source.fetch(request, signal)),
    },
    runner: {
      start: around('runStage', (...what) => runner.start(...what)),
      stop: around('stopStage', (run, signal) => runner.stop(run, signal)),
      readResults: around('readResults', (...what) => runner.readResults(...what)),
    },
    janitors: {
      start: around('runJanitor', (...what) => janitors.start(...what)),
      stop: around('stopJanitor', (run, signal) => janitors.stop(run, signal)),
      lastLine: (run) => janitors.lastLine(run),
    },
    evidence: {
      collect: around('collectEvidence', (request, signal) => evidence.collect(request, signal)),
      publish: around('publishEvidence', (request, signal) => evidence.publish(request, signal)),
      lastLine: (owner, stage) => evidence.lastLine(owner, stage),
      held: () => evidence.held(),
      discard: around('discardEvidence', (job, part) => evidence.discard(job, part)),
      expire: (expiry, timeoutMs, signal) => evidence.expire(expiry, timeoutMs, signal),
    },
    reviewer: {
      post: around('postReview', (request, signal, recovered) => reviewer.post(request, signal, recovered)),
      readChangeState: around('readChangeState', (request, signal) =>
        reviewer.readChangeState(request, signal),
      ),
      readVotes: around('readVotes', (request, signal) => reviewer.readVotes(request, signal)),
    },
    alarms,
    mailer:
      mailer === null ? null : { send: around('sendMail', (mail, signal) => mailer.send(mail, signal)) },
    hide: adapters.hide,
    activeJobs: adapters.activeJobs,
  };
}

function hang(wanted: string, file: string): Reach {
  const seen = new Map<string, number>();
  return (name) => {
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    const point = `${name}#${times}`;
    if (wanted === 'list') appendFileSync(file, `${point}\n`);
    if (point !== wanted) return;
    writeFileSync(file, `${process.pid} ${point}\n`, { flush: true });
    // Blocks the whole process: the state that others see now is the state that a crash at this point leaves.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  };
}
