/**
 * The directory that is a local server, and the label inside it that says whose it is. The label is there, on disk,
 * before the directory has its name; so there is never a server that nobody owns.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { OwnedServer } from '../../engine/ports.ts';
import type { Ownership, Server } from '../../machines/vocabulary.ts';
import { errorCode } from '../run/file-error.ts';

export interface LabelledServer extends OwnedServer {
  /** Epoch ms, with fractions. */
  readonly createdAt: number;
}

export const LABEL = 'server.json';
const FOLDERS = ['tree', 'home', 'tmp'] as const;
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

/** Makes the directory under `temporary` and gives it its name in the end. EEXIST or ENOTEMPTY: the name is taken. */
export async function makeServer(
  temporary: string,
  wanted: {
    readonly name: string;
    readonly provider: string;
    readonly owner: Ownership;
    readonly address: string;
  },
): Promise<Server> {
  const id = randomBytes(8).toString('hex');
  const { name, provider, owner, address } = wanted;
  await mkdir(temporary, { mode: 0o700 });
  for (const folder of FOLDERS) await mkdir(join(temporary, folder), { mode: 0o700 });
  const createdAt = performance.timeOrigin + performance.now();
  await writeLabel(join(temporary, LABEL), { id, name, provider, owner, createdAt });
  await rename(temporary, address);
  return { id, name, address, provider };
}

/** Every server of this provider with a sound label; anything else there is not ours to touch. */
export async function readServers(directory: string, provider: string): Promise<readonly LabelledServer[]> {
  const found: LabelledServer[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    const server = await readServer(join(directory, entry.name));
    if (server !== null && server.server.provider === provider) found.push(server);
  }
  return found.sort((a, b) => a.createdAt - b.createdAt || (a.server.id < b.server.id ? -1 : 1));
}

/** Null: no directory with a sound label. */
export async function readServer(address: string): Promise<LabelledServer | null> {
  const label = parse((await readLabel(address)) ?? 'null');
  if (!isRecord(label) || !isRecord(label.owner)) return null;
  const { id, name, provider, createdAt } = label;
  const { deployment, job, attempt } = label.owner;
  if (typeof id !== 'string' || !/^[0-9a-f]{16}$/.test(id)) return null;
  if (typeof name !== 'string' || typeof provider !== 'string' || typeof createdAt !== 'number') return null;
  if (typeof deployment !== 'string' || typeof job !== 'string' || typeof attempt !== 'number') return null;
  return { server: { id, name, address, provider }, owner: { deployment, job, attempt }, createdAt };
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

async function readLabel(address: string): Promise<string | null> {
  const file = join(address, LABEL);
  try {
    const directory = await lstat(address);
    if (!directory.isDirectory()) return null;
    // A job can lock its own directory; that must not hide it from its removal.
    if ((directory.mode & 0o700) !== 0o700) await chmod(address, 0o700).catch(() => {});
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
