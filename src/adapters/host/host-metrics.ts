/**
 * Measures free space on the disks that we write to, and the size of the database's write-ahead log. An unknown value
 * is null, never an error: a health check must not cause failures.
 */
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { HostMetrics, HostSnapshot } from '../../engine/ports/adapters.ts';

/** A directory that we write to, and its content, for display. */
export interface WatchedPath {
  readonly path: string;
  readonly holds: string;
}

export interface HostMetricsOptions {
  readonly paths: readonly WatchedPath[];
  /** The database. */
  readonly database: string;
  /** Why Gerrit's events cannot be archived now; null if they can, or if the archive is off. */
  readonly archiveProblem: () => string | null;
}

type Disk = HostSnapshot['disks'][number];

export class ProcHostMetrics implements HostMetrics {
  readonly #options: HostMetricsOptions;

  constructor(options: HostMetricsOptions) {
    this.#options = options;
  }

  async read(): Promise<HostSnapshot> {
    const { database, paths, archiveProblem } = this.#options;
    const [disks, walBytes] = await Promise.all([disksOf(paths), sizeOf(`${database}-wal`)]);
    return { disks, walBytes, archiveProblem: archiveProblem() };
  }
}

/** One entry for each file system, so that several directories on one disk raise one alarm. */
async function disksOf(paths: readonly WatchedPath[]): Promise<readonly Disk[]> {
  const byDevice = new Map<string, Disk>();
  for (const watched of paths) {
    const { device, ...space } = await freeSpaceAt(watched.path);
    const other = byDevice.get(device);
    const holds = other === undefined ? watched.holds : `${other.holds} and ${watched.holds}`;
    byDevice.set(device, { ...space, path: other?.path ?? watched.path, holds });
  }
  return [...byDevice.values()];
}

interface FreeSpace {
  readonly device: string;
  readonly freeBytes: number | null;
  readonly freeFiles: number | null;
}

/** For a directory that does not exist yet: the free space of its nearest existing parent. */
async function freeSpaceAt(path: string): Promise<FreeSpace> {
  try {
    const [{ dev }, { bavail, bsize, files, ffree }] = await Promise.all([stat(path), statfs(path)]);
    return { device: String(dev), freeBytes: bavail * bsize, freeFiles: files === 0 ? null : ffree };
  } catch {
    const above = dirname(path);
    return above === path ? { device: path, freeBytes: null, freeFiles: null } : freeSpaceAt(above);
  }
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await stat(file)).size;
  } catch {
    return null;
  }
}
