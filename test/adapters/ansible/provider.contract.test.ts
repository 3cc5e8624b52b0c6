/**
 * The playbook provider, with the playbooks of examples/providers/ansible and with playbooks that fail. Nodes are behind
 * a real sshd.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { playbookProgram } from '../../../src/adapters/ansible/playbook-program.ts';
import { CommandProvider } from '../../../src/adapters/command/provider.ts';
import { LocalRuns } from '../../../src/adapters/local/local-runs.ts';
import { NodeMaintenance } from '../../../src/adapters/ssh/node-maintenance.ts';
import { markedProcesses } from '../../../src/demo/observer.ts';
import { OperationError } from '../../../src/errors.ts';
import { providerContract } from '../../contracts/provider.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { EVERYTHING, LONG } from '../../fixtures/effort.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { findProgram } from '../../fixtures/programs.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { PlaybookScratch } from './scratch.ts';

const { describe, it, exhaustively } = needs('sshd', 'ansible-playbook');

const EXAMPLE = fileURLToPath(new URL('../../../examples/providers/ansible', import.meta.url));

let sshd: Sshd;
beforeAll(async () => {
  sshd = await Sshd.start();
});
afterAll(() => sshd.close());

function providerOf(
  scratch: PlaybookScratch,
  playbooks: Partial<Record<'create' | 'list' | 'delete', string>> = {},
) {
  const hosts = ['a', 'b', 'c', 'd'].map((name) => `${name} ansible_host=127.0.0.1`);
  const variables = { records: join(scratch.root, 'records'), reset_command: ['true'] };
  const { stateDir, nodes, config: ssh } = scratch;
  const bounds = { ...STAGE_BOUNDS, killTimeoutMs: 5_000 };
  const ansible = dirname(findProgram('ansible-playbook') ?? '/nowhere/ansible-playbook');
  const playbookFor = (name: 'create' | 'list' | 'delete') => [
    playbooks[name] ?? join(EXAMPLE, `${name}.yml`),
  ];
  return new CommandProvider({
    config: {
      ...{ type: 'command', name: 'lab', slots: 4, ssh, environment: [] },
      node: { user: sshd.user, port: sshd.port, directory: scratch.disk },
      ...{ create: playbookFor('create'), list: playbookFor('list'), delete: playbookFor('delete') },
      ...{ listTimeoutMs: 60_000, deleteTimeoutMs: 60_000, outputLimitBytes: 100_000 },
    },
    access: new NodeMaintenance({ stateDir, nodes, ...STAGE_BOUNDS }),
    run: playbookProgram({
      stateDir,
      host: new LocalRuns(bounds),
      inventory: scratch.file('hosts', `[nodes]\n${hosts.join('\n')}\n`),
      variableFiles: [scratch.file('vars.json', JSON.stringify(variables))],
      searchPath: `${ansible}:${process.env.PATH}`,
    }),
  });
}

/** Runs thirty playbooks, which takes a minute. */
if (EVERYTHING)
  describe('servers created by playbooks', () =>
    providerContract(
      'ansible',
      async () => {
        const scratch = new PlaybookScratch(sshd);
        return { provider: providerOf(scratch), close: () => scratch.close() };
      },
      LONG.timeout,
    ));

describe('playbooks of a provider', LONG, () => {
  it('are not started after an abort, and leave no directory', async () => {
    const scratch = new PlaybookScratch(sshd);
    try {
      const creating = providerOf(scratch).create(serverRequest(), AbortSignal.abort());
      await expect(creating).rejects.toBeInstanceOf(OperationError);
      expect(readdirSync(join(scratch.stateDir, 'ansible-calls'))).toEqual([]);
      expect(await markedProcesses(scratch.root)).toEqual([]);
    } finally {
      await scratch.close();
    }
  });

  exhaustively.it('create, list and delete a server', async () => {
    const scratch = new PlaybookScratch(sshd);
    try {
      const provider = providerOf(scratch);
      const request = serverRequest();
      const server = await provider.create(request, NEVER);
      expect(server).toMatchObject({ id: 'a', name: request.name });
      expect(await provider.list({ deployment: request.owner.deployment }, NEVER)).toEqual([
        { server, owner: request.owner },
      ]);
      await provider.delete(server, request.owner.deployment, NEVER);
      expect(await provider.list({ deployment: request.owner.deployment }, NEVER)).toEqual([]);
    } finally {
      await scratch.close();
    }
  });

  it('are reported with their task when they fail; an answer that is not JSON or is a link is an error', async () => {
    const scratch = new PlaybookScratch(sshd);
    const play = (...tasks: readonly object[]) =>
      JSON.stringify([{ hosts: 'localhost', connection: 'local', gather_facts: false, tasks }]);
    const fail = { name: 'Log in', 'ansible.builtin.fail': { msg: 'quota exceeded' } };
    const odd = {
      name: 'Answer',
      'ansible.builtin.copy': { dest: '{{ sos_ci.answer_file }}', content: '[' },
    };
    const link = {
      name: 'Link',
      'ansible.builtin.file': { src: '/etc/hostname', dest: '{{ sos_ci.answer_file }}', state: 'link' },
    };
    try {
      const listing = async (text: string) => {
        const list = scratch.file('list.yml', text);
        return providerOf(scratch, { list })
          .list({ deployment: 'ours' }, NEVER)
          .catch((error: unknown) => error);
      };
      expect(await listing(play(fail))).toMatchObject({
        operation: 'list servers',
        message: expect.stringContaining('list.yml: task "Log in" failed on localhost: quota exceeded'),
      });
      expect(await listing(play(odd))).toMatchObject({
        message: expect.stringContaining('its answer is not JSON'),
      });
      expect(await listing(play(link))).toBeInstanceOf(Error);
      expect(existsSync(join(scratch.stateDir, 'ansible-calls'))).toBe(true);
      expect(readdirSync(join(scratch.stateDir, 'ansible-calls'))).toEqual([]);
    } finally {
      await scratch.close();
    }
  });
});
