/**
 * The directory that is a local server, and the label beside it that says whose it is. The label is on disk before the
 * directory has its name, and goes after it: there is never a server that nobody owns. It lies outside, under a name
 * with a dot, because what runs in the directory is strangers' code, which may remove whatever it sees around it.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chown, link, lstat, mkdir, open, readdir, readFile, rename, rm, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { OwnedServer } from '../../engine/ports/adapters.ts';
import type { Ownership, Server } from '../../machines/model/domain.ts';
import type { Account } from '../run/account.ts';
import { errorCode } from '../run/fs-error.ts';

export interface LabelledServer extends OwnedServer {
  /** Epoch ms, with fractions. */
  readonly createdAt: number;
  /** What the directory was called while it was made. As long as that is there, the server is not. */
  readonly madeFrom: string;
}

const FOLDERS = ['tree', 'home', 'tmp'] as const;
const LABEL_NAME = /^\.(.+)\.json$/;
const LABEL_LIMIT_BYTES = 64 * 1024;
const LONGEST_NAME = 100;

export function serversDirectory(stateDir: string): string {
  return resolve(stateDir, 'servers');
}

/** One plain file name, whatever was asked for. */
export function directoryName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[.-]+/, '');
  return plain === '' ? 'server' : plain.slice(0, LONGEST_NAME);
}

/** The label of the server at this address. */
export function labelOf(address: string): string {
  return join(dirname(address), `.${basename(address)}.json`);
}

/** Makes the directory under `temporary` and gives it its name in the end. EEXIST or ENOTEMPTY: the name is taken. */
export async function makeServer(
  temporary: string,
  wanted: {
    readonly name: string;
    readonly provider: string;
    readonly owner: Ownership;
    readonly address: string;
    /** Whose the directory is; null: this process's own account. */
    readonly account: Account | null;
  },
): Promise<Server> {
  const id = randomBytes(8).toString('hex');
  const { name, provider, owner, address, account } = wanted;
  await mkdir(temporary, { mode: 0o700 });
  for (const folder of FOLDERS) await mkdir(join(temporary, folder), { mode: 0o700 });
  const createdAt = performance.timeOrigin + performance.now();
  const madeFrom = basename(temporary);
  // Half a label goes with the directory that is being made.
  const draft = join(temporary, 'label');
  await writeLabel(draft, { id, name, provider, owner, createdAt, madeFrom });
  // Unlike a rename it does not replace the label of another.
  await link(draft, labelOf(address));
  try {
    await unlink(draft);
    if (account !== null) {
      for (const folder of [...FOLDERS, '']) await chown(join(temporary, folder), account.uid, account.gid);
    }
    await rename(temporary, address);
  } catch (error) {
    await rm(labelOf(address), { force: true });
    throw error;
  }
  return { id, name, address, provider };
}

/** Every server of this provider with a sound label; anything else there is not ours to touch. */
export async function readServers(directory: string, provider: string): Promise<readonly LabelledServer[]> {
  const found: LabelledServer[] = [];
  for (const labelled of await readLabels(directory)) {
    if (labelled.server.provider === provider && (await isMade(labelled))) found.push(labelled);
  }
  return found.sort((a, b) => a.createdAt - b.createdAt || (a.server.id < b.server.id ? -1 : 1));
}

/** Every sound label there, also of what is being made. */
export async function readLabels(directory: string): Promise<readonly LabelledServer[]> {
  const found: LabelledServer[] = [];
  for (const entry of await readdir(directory)) {
    const [, name] = LABEL_NAME.exec(entry) ?? [];
    const labelled = name === undefined ? null : await readServer(join(directory, name));
    if (labelled !== null) found.push(labelled);
  }
  return found;
}

/** Null: no sound label for this address. */
export async function readServer(address: string): Promise<LabelledServer | null> {
  const label = parse((await readLabel(labelOf(address))) ?? 'null');
  if (!isRecord(label) || !isRecord(label.owner)) return null;
  const { id, name, provider, createdAt, madeFrom } = label;
  const { deployment, job, attempt } = label.owner;
  if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id)) return null;
  if (typeof name !== 'string' || typeof provider !== 'string' || typeof createdAt !== 'number') return null;
  if (typeof deployment !== 'string' || typeof job !== 'string' || typeof attempt !== 'number') return null;
  if (typeof madeFrom !== 'string' || basename(madeFrom) !== madeFrom) return null;
  return {
    server: { id, name, address, provider },
    owner: { deployment, job, attempt },
    createdAt,
    madeFrom,
  };
}

async function writeLabel(file: string, label: object): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify(label)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A directory that was removed by what ran in it was made too. */
async function isMade({ server, madeFrom }: LabelledServer): Promise<boolean> {
  try {
    await lstat(join(dirname(server.address), madeFrom));
    return false;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return true;
    throw error;
  }
}

async function readLabel(file: string): Promise<string | null> {
  try {
    const found = await lstat(file);
    if (!found.isFile() || found.size > LABEL_LIMIT_BYTES) return null;
    return await readFile(file, { encoding: 'utf8', flag: constants.O_RDONLY | constants.O_NOFOLLOW });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES'].includes(errorCode(error) ?? '')) return null;
    throw error;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
