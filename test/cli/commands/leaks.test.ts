/** `sos-ci leaks` and `gc`: their requests to the daemon, their output and their exit codes. */
import { describe, expect, test } from 'vitest';
import { gcCommand, leaksCommand, type RequestLeaks } from '../../../src/cli/commands/leaks.ts';
import type { LeakReport, LeakView } from '../../../src/engine/ports/operator-api.ts';
import { fakeIo } from '../../fakes/io.ts';
import { expectToFit } from '../widths.ts';

const HOUR = 3_600_000;
const NOW = Date.parse('2026-11-22T17:00:00Z');
const now = () => NOW;

function fakeDaemon(report: Partial<LeakReport>) {
  const requests: unknown[] = [];
  const send: RequestLeaks = async (request) => {
    requests.push(request);
    return { leaks: [], omitted: 0, unlisted: [], ...report };
  };
  return { send, requests };
}

function leaks(): readonly LeakView[] {
  const port = {
    provider: 'lab',
    kind: 'port',
    id: '5f1c2b1e-0c9d-4ad4-8a0c-0a2b6f3c9d11',
    name: 'sos-ci-j01kfa7xw2m6w-1',
    job: 'j01kfa7xw2m6w',
    createdAt: NOW - 26 * HOUR,
    jobEndedAt: NOW - 25 * HOUR,
    firstSeenAt: NOW - HOUR,
    state: 'agreed',
    why: '',
  } as const;
  return [
    port,
    {
      ...port,
      kind: 'key-pair',
      id: 'sos-ci lab j01kfa7xw2m6w 1 \x1b[2J',
      createdAt: null,
      state: 'first-seen',
    },
    { ...port, kind: 'volume', id: 'b7', state: 'remove-failed', why: 'the volume is in use' },
    { ...port, kind: 'server', id: 's9', job: 'j-other', jobEndedAt: null, state: 'unknown-job' },
    { ...port, provider: null, kind: 'evidence', id: 'j01kfa7xw2m6w', name: null, createdAt: null },
  ];
}

const UNLISTED = [{ part: 'lab', why: 'GET servers: no response', hint: 'check the cloud' }];

describe('leaks', () => {
  test.each([100, Number.POSITIVE_INFINITY])('as a table, %s columns wide', async (width) => {
    const io = fakeIo({ width, now });
    const daemon = fakeDaemon({ leaks: leaks() });
    expect(await leaksCommand(io, daemon.send, {})).toBe(1);
    expect(daemon.requests).toEqual([{ do: 'leaks' }]);
    await expect(io.stdout()).toMatchFileSnapshot(`../../golden/leaks-${width}.txt`);
  });

  test('fit every terminal', async () => {
    await expectToFit('leaks', { now }, (io) => leaksCommand(io, fakeDaemon({ leaks: leaks() }).send, {}));
  });

  test('as JSON', async () => {
    const io = fakeIo({ now });
    expect(await leaksCommand(io, fakeDaemon({ leaks: leaks() }).send, { json: true })).toBe(1);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/leaks.json');
  });

  test('without any ends with 0', async () => {
    const io = fakeIo({ now });
    expect(await leaksCommand(io, fakeDaemon({}).send, {})).toBe(0);
    expect(io.stdout()).toBe('0 leaked resources\n');
  });

  test('of a provider that cannot be listed ends with 5, because they are unknown', async () => {
    const io = fakeIo({ now });
    expect(await leaksCommand(io, fakeDaemon({ unlisted: UNLISTED }).send, {})).toBe(5);
    expect(io.stderr()).toBe(
      'sos-ci: lab cannot be listed: GET servers: no response\n        check the cloud\n',
    );
  });
});

describe('gc', () => {
  test('with --dry-run asks for nothing to be removed', async () => {
    const io = fakeIo({ now });
    const daemon = fakeDaemon({ leaks: leaks(), omitted: 2 });
    expect(await gcCommand(io, daemon.send, { dryRun: true })).toBe(1);
    expect(daemon.requests).toEqual([{ do: 'gc', dryRun: true }]);
    expect(io.stdout()).toMatch(/^4 resources would be removed, 3 left\n/);
    expect(io.stdout()).toMatch(/\nand 2 more\n$/);
  });

  test('ends with 0 when everything was removed, with 1 when something is left', async () => {
    const [io, json] = [fakeIo({ now }), fakeIo({ now })];
    const all = leaks().map((leak): LeakView => ({ ...leak, state: 'removed' }));
    const daemon = fakeDaemon({ leaks: all });
    expect(await gcCommand(io, daemon.send, {})).toBe(0);
    expect(daemon.requests).toEqual([{ do: 'gc', dryRun: false }]);
    expect(io.stdout()).toMatch(/^5 resources removed, 0 left\n/);
    expect(await gcCommand(json, fakeDaemon({ leaks: leaks() }).send, { json: true })).toBe(1);
    expect(JSON.parse(json.stdout())).toMatchObject({ format: 1, dryRun: false, omitted: 0, unlisted: [] });
  });
});
