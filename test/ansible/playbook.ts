/** Real ansible-playbook against a real sshd on loopback, with the collection of this checkout. */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killProcessesIn } from '../adapters/local/scratch.ts';
import { findProgram } from '../fixtures/programs.ts';
import type { Sshd } from '../fixtures/sshd.ts';

const COLLECTION = fileURLToPath(new URL('../../ansible', import.meta.url));
const TIMEOUT_MS = 120_000;

export interface PlayResult {
  readonly code: number | null;
  readonly output: string;
}

export class PlaybookScratch {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'sos-ci-playbook-')));
  constructor(sshd: Sshd) {
    const namespace = join(this.root, 'collections', 'ansible_collections', 'sos_ci');
    mkdirSync(namespace, { recursive: true });
    symlinkSync(COLLECTION, join(namespace, 'openstack'));
    const { user, port, keyFile } = sshd;
    const node = {
      ansible_host: '127.0.0.1',
      ansible_port: port,
      ansible_user: user,
      ansible_ssh_private_key_file: keyFile,
      ansible_ssh_common_args:
        '-F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ControlMaster=no',
    };
    writeFileSync(join(this.root, 'hosts.json'), JSON.stringify({ all: { hosts: { node } } }));
  }

  /** Starts a play of these tasks on the node. */
  start(tasks: readonly object[], variables: object = {}): Started {
    const play = [{ name: 'Test', hosts: 'node', gather_facts: false, tasks }];
    writeFileSync(join(this.root, 'play.yml'), JSON.stringify(play));
    writeFileSync(join(this.root, 'vars.json'), JSON.stringify(variables));
    const argv = ['-i', 'hosts.json', '-e', '@vars.json', 'play.yml'];
    const child = spawn(findProgram('ansible-playbook') ?? 'ansible-playbook', argv, {
      cwd: this.root,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      detached: true,
      env: {
        PATH: process.env.PATH,
        HOME: this.root,
        LC_ALL: 'C.UTF-8',
        // Ansible does not flush its output itself.
        PYTHONUNBUFFERED: '1',
        PYTHONDONTWRITEBYTECODE: '1',
        ANSIBLE_HOME: join(this.root, 'ansible'),
        ANSIBLE_COLLECTIONS_PATH: join(this.root, 'collections'),
        ANSIBLE_CALLBACKS_ENABLED: 'sos_ci.openstack.events',
        ANSIBLE_NOCOLOR: '1',
        SOS_CI_EVENTS: join(this.root, 'events.jsonl'),
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => {
        output += chunk.toString();
      });
    const ended = new Promise<PlayResult>((resolve) =>
      child.once('close', (code) => resolve({ code, output })),
    );
    return { child, ended, output: () => output };
  }

  run(tasks: readonly object[], variables: object = {}): Promise<PlayResult> {
    return this.start(tasks, variables).ended;
  }

  /** The events that the callback wrote. */
  events(): readonly Record<string, unknown>[] {
    const lines = readFileSync(join(this.root, 'events.jsonl'), 'utf8').trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line));
  }

  async close(): Promise<void> {
    await killProcessesIn(this.root);
    rmSync(this.root, { recursive: true, force: true });
  }
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<PlayResult>;
  readonly output: () => string;
}
