/**
 * The directory of a local server, and the label beside it that names its owner. The label is on disk before the
 * directory has its final name, and is removed after it, so every server has an owner. The label is outside of the
 * directory, in a dot file, because untrusted code in the directory may remove any file that it finds there.
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
  /** The directory's temporary name. While that directory exists, the server does not. */
  readonly madeFrom: string;
}

const DIRECTORIES = ['tree', 'home', 'tmp'] as const;
const LABEL_NAME = /^\.(.+)\.json$/;
const LABEL_LIMIT_BYTES = 64 * 1024;
const LONGEST_NAME = 100;

export function serversDirectory(stateDir: string): string {
  return resolve(stateDir, 'servers');
}

/** Converts any name to a plain file name. */
export function directoryName(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[.-]+/, '');
  return plain === '' ? 'server' : plain.slice(0, LONGEST_NAME);
}

/** The label of the server at this address. */
export function labelOf(address: string): string {
  return join(dirname(address), `.${basename(address)}.json`);
}

/** Creates the directory as `temporary` and renames it at the end. EEXIST or ENOTEMPTY: the name is taken. */
export async function makeServer(
  temporary: string,
  wanted: {
    readonly name: string;
    readonly provider: string;
    readonly owner: Ownership;
    readonly address: string;
    /** The owner of the directory; null: the daemon's own account. */
    readonly account: Account | null;
  },
): Promise<Server> {
  const id = randomBytes(8).toString('hex');
  const { name, provider, owner, address, account } = wanted;
  await mkdir(temporary, { mode: 0o700 });
  for (const directory of DIRECTORIES) await mkdir(join(temporary, directory), { mode: 0o700 });
  const createdAt = performance.timeOrigin + performance.now();
  const madeFrom = basename(temporary);
  // An incomplete label is removed together with the temporary directory.
  const draft = join(temporary, 'label');
  await writeLabel(draft, { id, name, provider, owner, createdAt, madeFrom });
  // Unlike a rename, a link does not replace another server's label.
  await link(draft, labelOf(address));
  try {
    await unlink(draft);
    if (account !== null) {
      for (const directory of [...DIRECTORIES, ''])
        await chown(join(temporary, directory), account.uid, account.gid);
    }
    await rename(temporary, address);
  } catch (error) {
    await rm(labelOf(address), { force: true });
    throw error;
  }
  return { id, name, address, provider };
}

/** Every server of this provider with a valid label; other entries are not ours and are not touched. */
export async function readServers(directory: string, provider: string): Promise<readonly LabelledServer[]> {
  const found: LabelledServer[] = [];
  for (const labelled of await readLabels(directory)) {
    if (labelled.server.provider === provider && (await isCreated(labelled))) found.push(labelled);
  }
  return found.sort((a, b) => a.createdAt - b.createdAt || (a.server.id < b.server.id ? -1 : 1));
}

/** Every valid label in the directory, including those of servers in creation. */
export async function readLabels(directory: string): Promise<readonly LabelledServer[]> {
  const found: LabelledServer[] = [];
  for (const entry of await readdir(directory)) {
    const [, name] = LABEL_NAME.exec(entry) ?? [];
    const labelled = name === undefined ? null : await readServer(join(directory, name));
    if (labelled !== null) found.push(labelled);
  }
  return found;
}

/** Null: no valid label for this address. */
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

/** True also for a server whose directory was removed by the code that ran in it. */
async function isCreated({ server, madeFrom }: LabelledServer): Promise<boolean> {
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
