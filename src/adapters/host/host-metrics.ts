/**
 * Looks at what this host has left: room on the disks that we write to, and how large the database's write-ahead log is.
 * What cannot be found out is null, and never an error: whoever looks for trouble must not make any.
 */
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { HostMetrics, HostSnapshot } from '../../engine/ports/adapters.ts';

/** A directory that we write to, and what it holds, for people. */
export interface WatchedPath {
  readonly path: string;
  readonly holds: string;
}

export interface HostMetricsOptions {
  readonly paths: readonly WatchedPath[];
  /** The database. */
  readonly database: string;
  /** Why Gerrit's events cannot be kept in files at present; null: they can, or are not to be. */
  readonly unkept: () => string | null;
}

type Disk = HostSnapshot['disks'][number];

export class ProcHostMetrics implements HostMetrics {
  readonly #options: HostMetricsOptions;

  constructor(options: HostMetricsOptions) {
    this.#options = options;
  }

  async read(): Promise<HostSnapshot> {
    const { database, paths, unkept } = this.#options;
    const [disks, walBytes] = await Promise.all([disksOf(paths), sizeOf(`${database}-wal`)]);
    return { disks, walBytes, unkept: unkept() };
  }
}

/** One for each file system: several places on one disk are one trouble. */
async function disksOf(paths: readonly WatchedPath[]): Promise<readonly Disk[]> {
  const byDevice = new Map<string, Disk>();
  for (const watched of paths) {
    const { device, ...room } = await roomAt(watched.path);
    const other = byDevice.get(device);
    const holds = other === undefined ? watched.holds : `${other.holds} and ${watched.holds}`;
    byDevice.set(device, { ...room, path: other?.path ?? watched.path, holds });
  }
  return [...byDevice.values()];
}

interface Room {
  readonly device: string;
  readonly freeBytes: number | null;
  readonly freeFiles: number | null;
}

/** Of a directory that is not there yet, the room where it will be made. */
async function roomAt(path: string): Promise<Room> {
  try {
    const [{ dev }, { bavail, bsize, files, ffree }] = await Promise.all([stat(path), statfs(path)]);
    return { device: String(dev), freeBytes: bavail * bsize, freeFiles: files === 0 ? null : ffree };
  } catch {
    const above = dirname(path);
    return above === path ? { device: path, freeBytes: null, freeFiles: null } : roomAt(above);
  }
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await stat(file)).size;
  } catch {
    return null;
  }
}
