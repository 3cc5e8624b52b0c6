/** `sos-ci reload` and `resume-voting`: their output, and their exit codes. */
import { describe, expect, test } from 'vitest';
import { reloadCommand, resumeVotingCommand } from '../../../src/cli/commands/reload.ts';
import type { OperatorRequest } from '../../../src/engine/ports/operator-api.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeDaemon, OPTIONS } from '../operator-commands.ts';

type Reload = Extract<OperatorRequest, { do: 'reload' }>;
type Resume = Extract<OperatorRequest, { do: 'resume-voting' }>;

describe('reload', () => {
  test.each([
    [[], [], 'nothing changed\n'],
    [['jobs.acme', 'report.label'], [], 'changed: jobs.acme, report.label\n'],
    [['jobs.acme'], ['gerrit.host'], 'changed: jobs.acme; after a restart: gerrit.host\n'],
    [[], ['gerrit.host\u001b[2J'], 'nothing changed; after a restart: gerrit.host\\x1b[2J\n'],
  ])('of a file that changes %j and %j', async (changed, restart, text) => {
    const [io, daemon] = [fakeIo(), fakeDaemon<Reload>({ changed, restart, problems: [] })];
    expect(await reloadCommand(io, daemon.send, OPTIONS)).toBe(0);
    expect(daemon.requests).toEqual([{ do: 'reload' }]);
    expect(io.stdout()).toBe(text);
  });

  test('of an invalid file prints the errors, and that nothing changed', async () => {
    const problems = ['/etc/sos-ci.yaml:3:1: jobs: is missing; add at least one job'];
    const [io, json, daemon] = [
      fakeIo(),
      fakeIo(),
      fakeDaemon<Reload>({ changed: [], restart: [], problems }),
    ];
    expect(await reloadCommand(io, daemon.send, OPTIONS)).toBe(3);
    expect(io.stdout()).toBe(`${problems[0]}\n`);
    expect(io.stderr()).toBe('1 error; the daemon keeps its configuration\n');
    expect(await reloadCommand(json, daemon.send, { ...OPTIONS, json: true })).toBe(3);
    expect(JSON.parse(json.stdout())).toEqual({ format: 1, changed: [], restart: [], problems });
  });
});

describe('resume-voting', () => {
  test.each([
    [true, 0, 'voting is on again\n'],
    [false, 1, 'voting was not stopped\n'],
  ])('with resumed: %s', async (resumed, code, text) => {
    const [io, json, daemon] = [fakeIo(), fakeIo(), fakeDaemon<Resume>({ resumed })];
    expect(await resumeVotingCommand(io, daemon.send, OPTIONS)).toBe(code);
    expect(io.stdout()).toBe(text);
    await resumeVotingCommand(json, daemon.send, { ...OPTIONS, json: true });
    expect(JSON.parse(json.stdout())).toEqual({ format: 1, resumed });
  });
});
