/** The async context: none on the connection itself, the caller's on each channel, also for errors that are thrown there. */
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

/** The first exception that nobody catches, and whose work it was, in place of what the test runner would do with it. */
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

test('work that is detached stays detached', async () => {
  const later = () =>
    new Promise<string | undefined>((resolve) => setImmediate(() => resolve(work.getStore())));
  expect(await work.run('A', () => Promise.all([later(), detachContext(later)]))).toEqual(['A', undefined]);
});

test('the events of a channel run in the context that asked for it, whoever causes them', async () => {
  const channel = fakeChannel();
  const heard: unknown[] = [];
  const attach = work.run('B', () =>
    bindContext((opened) => {
      heard.push(['attach', work.getStore()]);
      for (const source of [opened, opened.stderr])
        source.on('data', (chunk: Buffer) => heard.push([String(chunk), work.getStore()]));
    }),
  );
  work.run('A', () => {
    attach(channel);
    channel.push('out');
    channel.stderr.push('err');
    channel.push(null);
  });
  await once(channel, 'end');
  expect(heard).toEqual([
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
        throw new Error('a mistake of ours');
      }),
  ],
  [
    'at its opening',
    () => {
      throw new Error('a mistake of ours');
    },
  ],
])(
  'an error that is thrown %s belongs to the context that asked, and leaves the connection alone',
  async (_, attach) => {
    const channel = fakeChannel();
    const seen = uncaught();
    const mine = work.run('B', () => bindContext(attach));
    expect(() =>
      work.run('A', () => {
        mine(channel);
        channel.push('out');
      }),
    ).not.toThrow();
    expect(await seen).toEqual([new Error('a mistake of ours'), 'B']);
  },
);
