/** git's connections to a Gerrit that limits their number. */
import { beforeEach, expect, test } from 'vitest';
import { TooManyConnections } from '../../../src/adapters/git/command.ts';
import { ConnectionLimit } from '../../../src/adapters/git/connection-limit.ts';
import { NEVER } from '../../fixtures/never.ts';

const signal = NEVER;

/** A Gerrit that only counts connections. */
class CountingGerrit {
  limit = 1;
  open = 0;
  maxOpen = 0;
  refused = 0;

  async connect(): Promise<string> {
    if (this.open >= this.limit) {
      this.refused += 1;
      throw new TooManyConnections({
        operation: 'fetch',
        target: 'p',
        message: 'too many',
        retryable: true,
        hint: 'raise it',
      });
    }
    this.open += 1;
    this.maxOpen = Math.max(this.maxOpen, this.open);
    await new Promise((resolve) => setImmediate(resolve));
    this.open -= 1;
    return 'fetched';
  }
}

let gerrit: CountingGerrit;
let reported: (string | null)[];
let queryOpen: boolean;
let connectionLimit: ConnectionLimit;
beforeEach(() => {
  gerrit = new CountingGerrit();
  reported = [];
  queryOpen = false;
  connectionLimit = new ConnectionLimit({
    freeConnection: async () => {
      if (!queryOpen) return false;
      queryOpen = false;
      gerrit.open -= 1;
      return true;
    },
    onRefused: (error) => reported.push(error?.message ?? null),
    onChange: () => {},
  });
});

const fetches = (count: number) =>
  Promise.all(Array.from({ length: count }, () => connectionLimit.use(signal, () => gerrit.connect())));

test.each([1, 2, 3])('five concurrent fetches all succeed with a limit of %d', async (limit) => {
  gerrit.limit = limit;
  expect(await fetches(5)).toEqual(Array.from({ length: 5 }, () => 'fetched'));
  expect([gerrit.maxOpen <= limit, connectionLimit.taken, reported]).toEqual([true, 0, []]);
  expect(await fetches(5)).toHaveLength(5);
});

test('the idle connection for queries is closed for a fetch', async () => {
  [queryOpen, gerrit.open] = [true, 1];
  expect(await fetches(1)).toEqual(['fetched']);
  expect([gerrit.refused, reported]).toEqual([1, []]);
});

test('a fetch that is refused alone fails, and the operator is notified once, and again when it is over', async () => {
  gerrit.limit = 0;
  for (let time = 0; time < 2; time += 1) {
    await expect(fetches(1)).rejects.toMatchObject({ message: 'too many', retryable: true });
  }
  expect(reported).toEqual(['too many']);
  gerrit.limit = 1;
  await fetches(2);
  expect([reported, connectionLimit.taken]).toEqual([['too many', null], 0]);
});

test('an aborted caller leaves the queue', async () => {
  const stop = new AbortController();
  const [first, second] = [gate(), gate()];
  const holding = connectionLimit.use(signal, () => first.passed);
  const refusedOnce = connectionLimit.use(stop.signal, async () => {
    second.open();
    return gerrit.connect();
  });
  gerrit.limit = 0;
  await second.passed;
  stop.abort(new Error('stopped'));
  await expect(refusedOnce).rejects.toThrow();
  first.open();
  await holding;
  expect(connectionLimit.taken).toBe(0);
});

function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open };
}
