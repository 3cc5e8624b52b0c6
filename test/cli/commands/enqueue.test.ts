/** `sos-ci enqueue` and `recheck`: their requests to the daemon, and their output. */
import { describe, expect, test } from 'vitest';
import { enqueueCommand, recheckCommand } from '../../../src/cli/commands/enqueue.ts';
import type { OperatorRequest } from '../../../src/engine/ports/operator-api.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeDaemon, OPTIONS } from '../operator-commands.ts';

type Enqueue = Extract<OperatorRequest, { do: 'enqueue' }>;
type Recheck = Extract<OperatorRequest, { do: 'recheck' }>;
const BEGUN = {
  change: 912345,
  patchset: 3,
  review: 'r01kfa7xw2m6v',
  jobs: [
    { id: 'j01kfa7xw2m6w', name: 'acme-dsvm' },
    { id: 'j01kfa7xw2m6x', name: 'acme-fc\u001b[2J' },
  ],
};

describe('enqueue', () => {
  test('lists the accepted jobs', async () => {
    const [io, daemon] = [fakeIo(), fakeDaemon<Enqueue>(BEGUN)];
    const jobs = ['acme-dsvm', 'acme-fc'];
    expect(await enqueueCommand(io, daemon.send, '912345,3', jobs, OPTIONS)).toBe(0);
    expect(daemon.requests).toEqual([{ do: 'enqueue', jobs, change: 912345, patchset: 3 }]);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/enqueue.txt');
  });

  test('uses the current patchset and all jobs when none is named, and prints JSON', async () => {
    const [io, daemon] = [fakeIo(), fakeDaemon<Enqueue>(BEGUN)];
    expect(await enqueueCommand(io, daemon.send, '912345', [], { ...OPTIONS, json: true })).toBe(0);
    expect(daemon.requests).toEqual([{ do: 'enqueue', jobs: [], change: 912345, patchset: null }]);
    expect(JSON.parse(io.stdout())).toEqual({ format: 1, ...BEGUN });
  });

  test.each(['acme-fc', '912345,0', '0', '912345,3,4', ''])('of %j is a usage error', async (change) => {
    const daemon = fakeDaemon<Enqueue>(BEGUN);
    const asked = enqueueCommand(fakeIo(), daemon.send, change, ['acme-dsvm'], OPTIONS);
    const message = expect.stringContaining('is not a change');
    await expect(asked).rejects.toMatchObject({ exitCode: 2, message });
    expect(daemon.requests).toEqual([]);
  });
});

describe('recheck', () => {
  const decisions = ['supersede: patchset 912345,3 is newer', 'start: recheck by alice'];

  test('lists the accepted jobs, and the decisions', async () => {
    const [io, daemon] = [fakeIo(), fakeDaemon<Recheck>({ begun: [BEGUN], decisions })];
    expect(await recheckCommand(io, daemon.send, '912345', OPTIONS)).toBe(0);
    expect(daemon.requests).toEqual([{ do: 'recheck', change: 912345 }]);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/recheck.txt');
  });

  test('exits with 1 when the rules start nothing', async () => {
    const answer = { begun: [], decisions: ['ignore: this patchset is being tested'] };
    const [io, daemon] = [fakeIo(), fakeDaemon<Recheck>(answer)];
    expect(await recheckCommand(io, daemon.send, '912345', OPTIONS)).toBe(1);
    expect(io.stdout()).toBe('ignore: this patchset is being tested\n');
    const json = fakeIo();
    expect(await recheckCommand(json, daemon.send, '912345', { ...OPTIONS, json: true })).toBe(1);
    expect(JSON.parse(json.stdout())).toEqual({ format: 1, ...answer });
  });

  test('of a patchset is a usage error', async () => {
    const daemon = fakeDaemon<Recheck>({ begun: [], decisions: [] });
    await expect(recheckCommand(fakeIo(), daemon.send, '912345,2', OPTIONS)).rejects.toMatchObject({
      exitCode: 2,
      hint: expect.stringContaining('sos-ci enqueue 912345,2'),
    });
  });
});
