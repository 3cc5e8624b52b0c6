import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GerritStream, type StreamTuning } from '../../../../src/adapters/gerrit/stream/stream.ts';
import type { GerritOptions } from '../../../../src/adapters/gerrit/transport/ssh-connection.ts';
import { fingerprint } from '../../../../src/adapters/openssh/known-hosts.ts';
import type { Clock } from '../../../../src/engine/ports/adapters.ts';
import { streamContract } from '../../../contracts/stream.ts';
import { GerritModel } from '../../../fakes/gerrit-model.ts';
import { reply, SshServer } from '../../../fakes/ssh-server.ts';
import { RecordingListener } from '../../../fakes/stream-listener.ts';
import { blobOf, keys, patchset, realClock, Site } from '../site.ts';

let site: Site;
let server: SshServer;
let gerrit: GerritModel;
let listener: RecordingListener;
let stream: GerritStream | null = null;

beforeEach(async () => {
  site = new Site();
  server = await SshServer.start([keys.ed25519.private]);
  gerrit = new GerritModel(server);
  gerrit.addPatchset(patchset);
  listener = new RecordingListener();
});
afterEach(async () => {
  await stream?.stop();
  stream = null;
  await server.close();
  site.remove();
});

function start(
  more: Partial<GerritOptions> = {},
  tuning: Partial<StreamTuning> = {},
  clock: Clock = realClock,
) {
  stream = new GerritStream(site.options(server.port, more), clock, listener, { random: () => 1, ...tuning });
  stream.start();
  return stream;
}
const up = () => listener.until(() => listener.connected);
const down = () => listener.until(() => listener.states.length > 0 && !listener.connected);
const received = (count: number) => listener.until(() => listener.events.length >= count);

describe('a working stream', () => {
  test('reports the server, and delivers events', async () => {
    start();
    await up();
    expect(listener.states).toEqual([
      {
        connected: true,
        why: `connected to 127.0.0.1:${server.port} (gerrit version 3.9.1)`,
        hint: '',
        permanent: false,
      },
    ]);
    gerrit.comment(patchset, 'dev', 'recheck');
    await received(1);
    expect(listener.events[0]).toMatchObject({ type: 'comment-added', comment: 'Patch Set 3:\n\nrecheck' });
  });

  test('an overlong line is reported and skipped', async () => {
    start({ maxEventBytes: 2_000 });
    await up();
    gerrit.say({ type: 'patchset-created', junk: 'x'.repeat(100_000) });
    gerrit.comment(patchset, 'dev', 'after it');
    await received(1);
    expect(listener.rejections.map(({ reason }) => reason)).toEqual(['overlong']);
  });

  test('a slow store stops reading: the server’s window fills, nothing is lost', async () => {
    listener.holdEvents();
    start({}, { queueLimit: 3 });
    await up();
    const junk = 'x'.repeat(20_000);
    const count = 400;
    for (let index = 0; index < count; index++) gerrit.say({ type: `t-${index}`, junk });
    await listener.until(() => listener.held === 3);
    await new Promise((resolve) => setImmediate(resolve));
    expect(listener.held).toBe(3);
    const [channel] = gerrit.streams;
    expect(channel?.writableLength).toBeGreaterThan(1_000_000);
    listener.releaseEvents();
    await received(count);
    expect(listener.maxHeld).toBe(3);
  });
});

describe('a broken stream', () => {
  test('in the middle of a line: reported, reconnected, and events arrive again', async () => {
    start();
    await up();
    for (const channel of gerrit.streams) channel.write('{"type":"patchset-crea');
    await new Promise((resolve) => setImmediate(resolve));
    server.cutAll();
    await down();
    await up();
    gerrit.comment(patchset, 'dev', 'again');
    await received(1);
    expect(listener.states.map(({ connected }) => connected)).toEqual([true, false, true]);
    expect(listener.states[1]).toMatchObject({ permanent: false });
    expect(listener.rejections.every(({ reason }) => reason === 'cut-off')).toBe(true);
  });

  test('ended by the server: connected again', async () => {
    start();
    await up();
    for (const channel of gerrit.streams) channel.close();
    await down();
    expect(listener.states.at(-1)?.why).toBe('the server ended the stream');
    await up();
  });

  test('waits longer after each failure, up to the limit, and starts over after a long connection', async () => {
    const delays: number[] = [];
    let ahead = 0;
    const clock: Clock = {
      ...realClock,
      monotonic: () => realClock.monotonic() + ahead,
      after(delayMs, due) {
        if (delayMs >= 20_000) return realClock.after(delayMs, due);
        delays.push(delayMs);
        return realClock.after(0, due);
      },
    };
    server.on('gerrit stream-events', ({ channel }) => channel.close());
    start({ backoffMinMs: 10, backoffMaxMs: 100 }, { random: () => 0.5 }, clock);
    const backoffs = () => delays.filter((delay) => delay !== 1_000);
    await server.until(() => server.connections === 7);
    expect(backoffs().slice(0, 6)).toEqual([7.5, 15, 30, 60, 75, 75]);
    const streams: string[] = [];
    server.on('gerrit stream-events', ({ line }) => void streams.push(line));
    await listener.until(() => streams.length === 1 && listener.connected);
    ahead = 20_000;
    server.cutAll();
    await server.until(() => streams.length === 2);
    expect(backoffs().at(-1)).toBe(7.5);
  });

  test('a silent server is probed before it is disconnected; one that answers is kept', async () => {
    start({ streamIdleTimeoutMs: 30 });
    await up();
    await server.until(() => server.commands.filter((line) => line === 'gerrit version').length >= 4);
    expect(server.connections).toBe(1);
    expect(listener.states).toHaveLength(1);
  });

  test('a silent server that does not answer is disconnected, and connected again', async () => {
    start({ streamIdleTimeoutMs: 30, connectTimeoutMs: 2_000 });
    await up();
    server.on('gerrit version', () => {});
    await down();
    expect(listener.states.at(-1)).toMatchObject({ permanent: false });
    expect(listener.states.at(-1)?.why).toMatch(/^silent for [\dms ]+, and gerrit version: no answer/);
    server.answer('gerrit version', 'gerrit version 3.9.2\n');
    await up();
  });

  test('no listener: reported once, retried, connected when it is back', async () => {
    const { port } = server;
    await server.close();
    start();
    await down();
    const before = listener.states.length;
    server = await SshServer.start([keys.ed25519.private], port);
    gerrit = new GerritModel(server);
    await up();
    expect(listener.states.slice(0, before).every(({ permanent }) => !permanent)).toBe(true);
    expect(listener.states).toHaveLength(2);
  });
});

describe('a permanent failure is reported once, with its fix, and causes no login storm', () => {
  const reported = async () => {
    await down();
    // The next attempt is ten minutes away, so nothing arrives during this test.
    const { logins } = server;
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(server.logins).toBe(logins);
    return listener.states.filter(({ connected }) => !connected);
  };

  test('a missing permission', async () => {
    server.on('gerrit stream-events', ({ channel }) =>
      reply(channel, '', 1, 'stream events not permitted\n'),
    );
    server.on('gerrit version', () => {});
    start();
    expect(await reported()).toEqual([
      {
        connected: false,
        why: 'Gerrit refuses the stream: stream events not permitted',
        hint: expect.stringContaining('"Stream Events"'),
        permanent: true,
      },
    ]);
    expect(server.logins).toBe(1);
  });

  test('an unknown key', async () => {
    server.acceptLogins = false;
    start();
    expect(await reported()).toMatchObject([{ permanent: true, hint: expect.stringContaining('SSH keys') }]);
    expect(server.logins).toBe(1);
  });

  test('a changed host key', async () => {
    start({ knownHostsFile: site.file('kh', `[127.0.0.1]:${server.port} ${keys.otherEd25519.public}\n`) });
    const [state] = await reported();
    expect(state).toMatchObject({ permanent: true, hint: expect.stringContaining('ssh-keygen -R') });
    expect(state?.why).toContain(fingerprint(blobOf(keys.ed25519.public)));
    expect(server.logins).toBe(0);
  });

  test('an unreadable key', async () => {
    start({ keyFile: `${site.directory}/none` });
    expect(await reported()).toMatchObject([
      { permanent: true, hint: expect.stringContaining('ssh-keygen') },
    ]);
    expect(server.connections).toBe(0);
  });

  test('is retried slowly, not reported again, and works once it is fixed', async () => {
    server.acceptLogins = false;
    start({ authRetryIntervalMs: 20 });
    await server.until(() => server.logins === 3);
    expect(listener.states).toHaveLength(1);
    server.acceptLogins = true;
    await up();
    expect(listener.states).toHaveLength(2);
  });
});

describe('stop', () => {
  test('closes the connection at once', async () => {
    const started = start();
    await up();
    await started.stop();
    await server.until(() => server.open === 0);
  });

  test('while it connects, and while it waits', async () => {
    const connecting = start();
    await server.until(() => server.connections === 1);
    await connecting.stop();
    await server.until(() => server.open === 0);
    server.acceptLogins = false;
    const waiting = start();
    await down();
    await waiting.stop();
    expect(listener.events).toEqual([]);
  });

  test('does not wait for a server that does not close its side', async () => {
    const started = start();
    await up();
    server.hang();
    await started.stop();
  });
});

test('never has two connections, even after many cuts', async () => {
  start({ backoffMinMs: 40, backoffMaxMs: 40 });
  for (let round = 0; round < 10; round++) {
    await up();
    server.cutAll();
    await down();
  }
  expect(server.maxOpen).toBe(1);
});

streamContract('ssh', async () => {
  const contractSite = new Site();
  const ssh = await SshServer.start([keys.ed25519.private]);
  const model = new GerritModel(ssh);
  model.addPatchset(patchset);
  return {
    intake: (to, queueLimit) =>
      new GerritStream(contractSite.options(ssh.port), realClock, to, { queueLimit }),
    comment: async (text) => model.comment(patchset, 'dev', text),
    close: async () => {
      await ssh.close();
      contractSite.remove();
    },
  };
});
