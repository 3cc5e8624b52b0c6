/** The async context: none for the connection itself, that of the caller for each channel, including thrown errors. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { expect, test } from 'vitest';
import { bindContext, detachContext } from '../../../../src/adapters/ssh/client/async-context.ts';

const work = new AsyncLocalStorage<string>();

function fakeChannel(): ClientChannel {
  return Object.assign(new PassThrough(), { stderr: new PassThrough() }) as unknown as ClientChannel;
}

/** Resolves with the first uncaught exception and its async context, and keeps it from the test runner. */
function uncaught(): Promise<readonly [unknown, string | undefined]> {
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  return new Promise((resolve) => {
    process.once('uncaughtException', (error) => {
      for (const other of others) process.on('uncaughtException', other);
      resolve([error, work.getStore()]);
    });
  });
}

test('detached work has no context', async () => {
  const later = () =>
    new Promise<string | undefined>((resolve) => setImmediate(() => resolve(work.getStore())));
  expect(await work.run('A', () => Promise.all([later(), detachContext(later)]))).toEqual(['A', undefined]);
});

test('the events of a channel run in the context that opened it, whatever causes them', async () => {
  const channel = fakeChannel();
  const calls: unknown[] = [];
  const attach = work.run('B', () =>
    bindContext((opened) => {
      calls.push(['attach', work.getStore()]);
      for (const source of [opened, opened.stderr])
        source.on('data', (chunk: Buffer) => calls.push([String(chunk), work.getStore()]));
    }),
  );
  work.run('A', () => {
    attach(channel);
    channel.push('out');
    channel.stderr.push('err');
    channel.push(null);
  });
  await once(channel, 'end');
  expect(calls).toEqual([
    ['attach', 'B'],
    ['out', 'B'],
    ['err', 'B'],
  ]);
});

test.each<[string, (opened: ClientChannel) => void]>([
  [
    'by a listener',
    (opened) =>
      opened.on('data', () => {
        throw new Error('a bug');
      }),
  ],
  [
    'when it opens',
    () => {
      throw new Error('a bug');
    },
  ],
])(
  'an error that is thrown %s has the context of the caller, and does not affect the connection',
  async (_, attach) => {
    const channel = fakeChannel();
    const thrown = uncaught();
    const bound = work.run('B', () => bindContext(attach));
    expect(() =>
      work.run('A', () => {
        bound(channel);
        channel.push('out');
      }),
    ).not.toThrow();
    expect(await thrown).toEqual([new Error('a bug'), 'B']);
  },
);
