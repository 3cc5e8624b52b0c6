/**
 * The servers of the embedded OpenStack. Each is a scratch directory behind a real sshd, which runs as this user,
 * listens on the addresses of the server and accepts its key pair. All addresses are loopback addresses; all servers
 * use one port.
 *
 * Known limits: a guest shares this host's programs, files and process table; HOME is its directory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { makeKeyPair } from '../gerrit/key-pair.ts';

/** The environment variable of each process that was started in a session of a guest. */
const MARK = 'EMBEDDED_GUEST';
/** Processes may start others while they are being killed, so one round may not be enough. */
const MAX_ROUNDS = 20;
/** Exists once the user data script has ended. */
const BOOT_FINISHED = 'boot-finished';

export interface GuestSpec {
  readonly id: string;
  readonly name: string;
  readonly addresses: readonly string[];
  /** The public key of the server's key pair. */
  readonly key: string | null;
  /** Base64. */
  readonly userData: string | null;
}

export interface Guest {
  readonly directory: string;
  /** Type and key. */
  readonly hostKey: string;
  /** The server's console log so far. */
  console(): string;
}

/** A fault of the next guest. */
export type GuestFault =
  /** It never listens. */
  | 'no-ssh'
  /** It accepts no key. */
  | 'no-key'
  /** cloud-init ends with an error. */
  | 'cloud-init-fails'
  /** cloud-init does not end. */
  | 'cloud-init-hangs'
  /** cloud-init does not print the host key on the console. */
  | 'no-host-key-on-console'
  /** The console shows the host key of another machine. */
  | 'other-host-key-on-console'
  /** The same, printed only when cloud-init ends. */
  | 'other-host-key-on-console-later';

export interface GuestsOptions {
  readonly directory: string;
  /** The program sshd: its absolute path. */
  readonly sshd: string;
}

interface Running extends Guest {
  readonly sshds: ChildProcess[];
}

export class Guests {
  /** Faults of the next guests, one for each. */
  readonly faults: GuestFault[] = [];
  readonly #options: GuestsOptions;
  readonly #guests = new Map<string, Promise<Running>>();
  #port = 0;

  constructor(options: GuestsOptions) {
    this.#options = options;
  }

  /** The port of every guest's sshd. */
  get port(): number {
    return this.#port;
  }

  async start(): Promise<void> {
    await mkdir(this.#options.directory, { recursive: true, mode: 0o700 });
    // sshd needs it as root; normally Debian's start script creates it.
    if (process.getuid?.() === 0) await mkdir('/run/sshd', { recursive: true, mode: 0o755 });
    this.#port = await freePort();
  }

  boot(spec: GuestSpec): Promise<Guest> {
    const guest = this.#boot(spec, this.faults.shift() ?? null);
    this.#guests.set(spec.id, guest);
    return guest;
  }

  /** Ends every process of the guest and removes its directory. An unknown guest is success. */
  async end(id: string): Promise<void> {
    const booting = this.#guests.get(id);
    this.#guests.delete(id);
    const guest = await booting?.catch(() => null);
    for (const sshd of guest?.sshds ?? []) sshd.kill('SIGKILL');
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const left = processesOf(id);
      if (left.length === 0) break;
      for (const pid of left) kill(pid);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await rm(path.join(this.#options.directory, id), { recursive: true, force: true });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#guests.keys()].map((id) => this.end(id)));
  }

  async #boot(spec: GuestSpec, fault: GuestFault | null): Promise<Running> {
    const directory = path.join(this.#options.directory, spec.id);
    await mkdir(path.join(directory, 'bin'), { recursive: true, mode: 0o700 });
    const host = makeKeyPair(`root@${spec.name}`);
    const hostKey = host.publicKey.split(' ').slice(0, 2).join(' ');
    const key = fault === 'no-key' ? null : spec.key;
    const file = (name: string, text: string) => writeFile(path.join(directory, name), text, { mode: 0o600 });
    await file('host_key', host.privateKey);
    await file('authorized_keys', key === null ? '' : `${key.trim()}\n`);
    await file('bin/cloud-init', cloudInit(directory, fault));
    await chmod(path.join(directory, 'bin', 'cloud-init'), 0o700);
    const other = fault?.startsWith('other-host-key') ? makeKeyPair('root@other').publicKey : host.publicKey;
    const late = fault === 'other-host-key-on-console-later';
    await file('late-keys', late ? hostKeyBlock(other) : '');
    const shown = late || fault === 'no-host-key-on-console' ? '' : hostKeyBlock(other);
    await file('console.log', `Linux version 6.8.0 (${spec.name})\n${shown}${spec.name} login: \n`);
    const guest: Running = {
      directory,
      hostKey,
      sshds: [],
      console: () => readFileSync(path.join(directory, 'console.log'), 'utf8'),
    };
    if (fault !== 'no-ssh')
      for (const address of spec.addresses) guest.sshds.push(await this.#listen(spec.id, directory, address));
    await runUserData(spec, directory);
    return guest;
  }

  async #listen(id: string, directory: string, address: string): Promise<ChildProcess> {
    const config = path.join(directory, `sshd_config.${address}`);
    await writeFile(config, sshdConfig(id, directory, address, this.#port), { mode: 0o600 });
    const child = spawn(this.#options.sshd, ['-D', '-e', '-f', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    for await (const line of createInterface({ input: child.stderr })) {
      if (line.startsWith('Server listening')) {
        child.stderr.resume();
        return child;
      }
      output += `${line}\n`;
    }
    throw new Error(`sshd does not start on ${address}: ${output}`);
  }
}

function sshdConfig(id: string, directory: string, address: string, port: number): string {
  return [
    `Port ${port}`,
    `ListenAddress ${address}`,
    `HostKey ${directory}/host_key`,
    `AuthorizedKeysFile ${directory}/authorized_keys`,
    'PidFile none',
    'AuthenticationMethods publickey',
    'PermitRootLogin yes',
    'StrictModes no',
    'UsePAM no',
    'PrintMotd no',
    'MaxStartups 100',
    'Subsystem sftp internal-sftp',
    `SetEnv HOME=${directory} ${MARK}=${id} "PATH=${searchPath(directory)}"`,
    '',
  ].join('\n');
}

/** With this Node, which the sample project of the demo needs. */
function searchPath(directory: string): string {
  const { PATH = '/usr/bin:/bin' } = process.env;
  return [path.join(directory, 'bin'), path.dirname(process.execPath), PATH].join(path.delimiter);
}

/** The program that a provider calls: `cloud-init status --wait`. */
function cloudInit(directory: string, fault: GuestFault | null): string {
  const [status, code] = fault === 'cloud-init-fails' ? ['error', 1] : ['done', 0];
  return [
    '#!/bin/sh',
    `until [ -e ${directory}/${fault === 'cloud-init-hangs' ? 'never' : BOOT_FINISHED} ]; do sleep 0.05; done`,
    `cat ${directory}/late-keys >> ${directory}/console.log`,
    `echo; echo 'status: ${status}'`,
    `exit ${code}`,
    '',
  ].join('\n');
}

/** The host keys in the format of cloud-init. */
function hostKeyBlock(key: string): string {
  const [begin, end] = ['-----BEGIN SSH HOST KEY KEYS-----', '-----END SSH HOST KEY KEYS-----'];
  return `[   21.5] cloud-init[512]: ${begin}\n${key.trim()}\r\n${end}\n`;
}

/** Runs user data that is a script and writes its output to the console, like cloud-init. */
async function runUserData({ id, userData }: GuestSpec, directory: string): Promise<void> {
  const finished = path.join(directory, BOOT_FINISHED);
  const text = Buffer.from(userData ?? '', 'base64');
  if (!text.toString('latin1').startsWith('#!')) return writeFile(finished, '');
  const script = path.join(directory, 'user-data');
  await writeFile(script, text, { mode: 0o700 });
  const child = spawn('/bin/sh', ['-c', '"$1" >> console.log 2>&1; : > "$2"', 'sh', script, finished], {
    cwd: directory,
    env: { ...process.env, HOME: directory, [MARK]: id },
    stdio: 'ignore',
  });
  child.on('error', () => undefined);
}

function processesOf(id: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => environmentOf(pid).includes(`${MARK}=${id}\0`))
    .map(Number);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    // It has ended, or belongs to another user.
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

/** A port that is free on the loopback address; guests listen on other addresses of that network. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
