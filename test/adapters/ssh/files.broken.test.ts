/** Nodes without an SFTP server, or with a broken one: the cause is named at once, and no channel is left open. */

import { join } from 'node:path';
import { afterEach, describe, expect } from 'vitest';
import { runNodeScript } from '../../../src/adapters/ssh/command.ts';
import { NodeMaintenance } from '../../../src/adapters/ssh/node-maintenance.ts';
import { probeNode } from '../../../src/adapters/ssh/probe.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { sampled } from '../../fixtures/effort.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { ROOT } from '../../house/source.ts';
import { NodeScratch } from './scratch.ts';

const { it } = needs('sshd');

const BROKEN = [
  [
    'no subsystem',
    'Subsystem other internal-sftp',
    'refuses the SFTP subsystem',
    'Subsystem sftp internal-sftp',
  ],
  [
    'a missing program',
    'Subsystem sftp /no/such/sftp-server',
    'cannot be run (exit status 127)',
    'sshd_config',
  ],
  [
    'another program instead of an SFTP server',
    'Subsystem sftp /bin/echo hello',
    'sends something other than SFTP',
    'start-up files',
  ],
] as const;

describe.each(sampled(BROKEN))('a node with %s', (_what, line, message, hint) => {
  const closing: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of closing.splice(0)) await one.close();
  });
  const expectedError = {
    retryable: false,
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  };

  async function startNode() {
    const sshd = await Sshd.start([line, 'MaxSessions 2']);
    const scratch = new NodeScratch(sshd);
    closing.push(scratch, sshd);
    return { sshd, scratch };
  }

  it('starts no stage, and reports the cause', async () => {
    const { scratch } = await startNode();
    await expect(scratch.runner().start(scratch.request(['true']), NEVER)).rejects.toMatchObject(
      expectedError,
    );
  });

  it('is refused for a job', async () => {
    const { scratch } = await startNode();
    const { stateDir, nodes } = scratch;
    const maintenance = new NodeMaintenance({ stateDir, nodes, ...STAGE_BOUNDS });
    await expect(maintenance.prepare(scratch.server(), 60_000, NEVER)).rejects.toMatchObject(expectedError);
  });

  it('keeps channels free for commands, however often files are requested', async () => {
    const { scratch } = await startNode();
    const server = scratch.server();
    const script = new URL(`file://${join(ROOT, 'src/adapters/ssh/probe.sh')}`);
    const command = { operation: 'probe', script, args: ['/'], timeoutMs: 20_000 };
    await scratch.nodes
      .get(server)
      .using({ operation: 'probe', timeoutMs: 60_000, signal: NEVER }, async () => {});
    for (let times = 0; times < 5; times += 1) {
      const results = { format: 'tap', file: 'results.tap' } as const;
      await expect(scratch.runner().readResults(server, results, 60_000, NEVER)).rejects.toMatchObject(
        expectedError,
      );
    }
    const options = { operation: 'probe', timeoutMs: 60_000, signal: NEVER };
    const { status } = await scratch.nodes
      .get(server)
      .using(options, (connection, signal) => runNodeScript(connection, command, signal));
    expect(status).toBe(0);
  });

  it('is detected by a probe', async () => {
    const { sshd, scratch } = await startNode();
    const { port, user } = sshd;
    const address = { host: '127.0.0.1', port, user, directory: scratch.disk };
    const probe = await probeNode(
      { provider: 'lab', address, config: scratch.config, hostKey: null, commands: [] },
      NEVER,
    );
    expect(probe.sftp).toMatchObject(expectedError);
  });
});
