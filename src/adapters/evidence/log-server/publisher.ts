/**
 * Publishes to a log server that has nothing but sshd, over SFTP. The finished directory is composed once on this host
 * and sent into a temporary directory beside its final name: first a mark, which says whose it is and which composition
 * it gets, then the files, last the manifest; then one rename. After a crash of either side the next call continues in
 * the same temporary directory and sends what is missing.
 *
 * SFTP has no handles of directories, so a path is checked and then used: the account of `logs.ssh` must be the only
 * one that can write below its directory.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogServerConfig } from '../../../config/logs-config.ts';
import type { Expiry, FinishedDirectory, Publisher } from '../../../engine/ports/publisher.ts';
import { OperationError } from '../../../errors.ts';
import { Semaphore } from '../../../semaphore.ts';
import { evidencePath } from '../files/safe-names.ts';
import { forEach } from '../publish/for-each.ts';
import { MANIFEST, MAX_MANIFEST_BYTES, type Manifest, parseManifest } from '../publish/manifest.ts';
import { createdByAnother, ignoreOperationErrors, noFreeName } from '../publish/publish.ts';
import { temporaryNames } from '../publish/transaction.ts';
import { connectToLogServer } from './connection.ts';
import { freeTemporaryName, openParent, readManifest } from './directories.ts';
import { expireBelow } from './expire.ts';
import { LogServerFiles, Refused } from './files.ts';
import { updateRemotePages } from './remote-pages.ts';
import { upload } from './upload.ts';

/** Below the limit of a stock sshd for connections that are not logged in yet (MaxStartups 10). */
const MAX_CONNECTIONS = 4;
const ONE_DAEMON = 'check that only one daemon has this state directory';
const CHECKS_AT_ONCE = 32;
/** A write of one request can fail for lack of space while a few blocks are left. */
const FULL_BELOW_BYTES = 1 << 20;
const MANIFEST_PART = `${MANIFEST}.part`;

/** The mark of a temporary directory: a manifest in the state `publishing`. */
interface Mark extends Manifest {
  /** SHA-256 of the manifest that the directory gets. */
  readonly composition: string;
}

/** One call, with an open connection. */
interface Call {
  readonly files: LogServerFiles;
  readonly finished: FinishedDirectory;
  /** The path above the job's directory on the log server. */
  readonly parent: string;
  readonly signal: AbortSignal;
}

/** The finished directory on this host. */
interface Composed {
  readonly path: string;
  readonly manifest: Buffer;
  readonly composition: string;
}

type State = 'free' | 'taken' | 'damaged' | 'ours';

export class LogServerPublisher implements Publisher {
  readonly #config: LogServerConfig;
  readonly #connections = new Semaphore(MAX_CONNECTIONS);
  /** One call at a time writes the pages of the directories above. */
  readonly #pages = new Semaphore(1);

  constructor(config: LogServerConfig) {
    this.#config = config;
  }

  publish(finished: FinishedDirectory, signal: AbortSignal): Promise<readonly string[]> {
    const { dir } = this.#config;
    return this.#connected(signal, async (files) => {
      try {
        const parent = await openParent(files, dir, finished.parent);
        const segments = await publish({ files, finished, parent, signal });
        // The evidence is published, whether or not the pages can be written. The next publication corrects them.
        await this.#pages
          .run(() => updateRemotePages(files, dir, finished.parent))
          .catch(ignoreOperationErrors);
        return segments;
      } catch (error) {
        throw (await fullDisk(files, dir, error)) ?? error;
      }
    });
  }

  expire(expiry: Expiry, signal: AbortSignal): Promise<number> {
    return this.#connected(signal, async (files) => {
      const root = await openParent(files, this.#config.dir, []);
      return expireBelow({ files, expiry, signal }, root);
    });
  }

  #connected<T>(signal: AbortSignal, work: (files: LogServerFiles) => Promise<T>): Promise<T> {
    return this.#connections.run(async () => {
      const client = await connectToLogServer(this.#config, signal);
      try {
        return await LogServerFiles.using(client, signal, work);
      } finally {
        await client.close();
      }
    }, signal);
  }
}

/** The error for a full disk, which SFTP reports like any other failure; null when that is not the cause. */
async function fullDisk(files: LogServerFiles, dir: string, error: unknown): Promise<OperationError | null> {
  if (!(error instanceof Refused)) return null;
  const free = await files.freeBytes(dir);
  if (free === null || free >= FULL_BELOW_BYTES) return null;
  return new OperationError({
    operation: error.operation,
    target: files.target,
    message: `the disk of ${dir} on ${files.target} is full (${free} bytes free)`,
    retryable: true,
    hint: 'free some space on the log server: sos-ci sends the rest at its next attempt',
    cause: error,
  });
}

async function publish(call: Call): Promise<readonly string[]> {
  const { files, finished, parent } = call;
  const states = new Map<string, State>();
  for (const name of finished.names) states.set(name, await inspect(call, name));
  const find = (...wanted: readonly State[]) =>
    finished.names.find((name) => wanted.includes(states.get(name) ?? 'taken'));
  const ours = find('ours');
  if (ours !== undefined) {
    await removeOwnTemporaries(call, null);
    return [...finished.parent, ours];
  }
  const target = find('damaged', 'free');
  if (target === undefined) throw noFreeName(finished.parent, finished.names);
  const composed = await compose(call);
  const temporary = await findOrMakeTemporary(call, composed);
  await upload(files, composed.path, `${parent}/${temporary}`, call.signal);
  const manifest = `${parent}/${temporary}/${MANIFEST}`;
  await files.replace(manifest, `${parent}/${temporary}/${MANIFEST_PART}`, composed.manifest);
  call.signal.throwIfAborted();
  if (states.get(target) === 'damaged') {
    const aside = await freeTemporaryName(files, parent, finished.job);
    await files.rename(`${parent}/${target}`, `${parent}/${aside}`);
  }
  await files.rename(`${parent}/${temporary}`, `${parent}/${target}`);
  await removeOwnTemporaries(call, null);
  return [...finished.parent, target];
}

/** Checks a name: its owner, and whether its directory is complete. */
async function inspect(call: Call, name: string): Promise<State> {
  const { files, finished, parent } = call;
  const path = `${parent}/${name}`;
  const stats = await files.lstat(path);
  if (stats === null) return 'free';
  const manifest = stats.isDirectory() ? await readManifest(files, path) : null;
  if (manifest?.job !== finished.job) return 'taken';
  return manifest.state === 'published' && (await isComplete(files, path, manifest)) ? 'ours' : 'damaged';
}

/** True when every file and page in the manifest exists with its size. */
async function isComplete(files: LogServerFiles, path: string, manifest: Manifest): Promise<boolean> {
  let complete = true;
  await forEach([...manifest.files, ...manifest.pages], CHECKS_AT_ONCE, async (file) => {
    const segments = evidencePath(file.path);
    if (!complete || 'why' in segments) {
      complete = false;
      return;
    }
    const stats = await files.lstat([path, ...segments].join('/'));
    if (stats?.isFile() !== true || stats.size !== file.bytes) complete = false;
  });
  return complete;
}

async function compose({ finished, signal }: Call): Promise<Composed> {
  const root = finished.directory;
  const path = join(root, ...(await finished.compose(root, signal)));
  const manifest = await readFile(join(path, MANIFEST));
  return { path, manifest, composition: sha256(manifest) };
}

/** The temporary directory of an earlier call for the same composition, or a new one. */
async function findOrMakeTemporary(call: Call, composed: Composed): Promise<string> {
  const { files, finished, parent } = call;
  let free: string | null = null;
  let found: string | null = null;
  for (const name of temporaryNames(finished.job)) {
    const state = await temporaryState(call, name);
    if (state === 'free') free ??= name;
    else if (state === composed.composition) found ??= name;
  }
  await removeOwnTemporaries(call, found);
  if (found !== null) return found;
  free ??= await freeTemporaryName(files, parent, finished.job);
  if (!(await files.makeDirectory(`${parent}/${free}`)))
    throw createdByAnother(files.target, `${parent}/${free}`, ONE_DAEMON);
  const mark: Mark = {
    ...(JSON.parse(composed.manifest.toString('utf8')) as Manifest),
    ...{ state: 'publishing', files: [], pages: [], composition: composed.composition },
  };
  const path = `${parent}/${free}`;
  await files.replace(`${path}/${MANIFEST}`, `${path}/${MANIFEST_PART}`, Buffer.from(JSON.stringify(mark)));
  return free;
}

/** A temporary name: free, foreign, or the composition that its directory gets ('' when it was not marked yet). */
async function temporaryState({ files, finished, parent }: Call, name: string): Promise<string> {
  const path = `${parent}/${name}`;
  const stats = await files.lstat(path);
  if (stats === null) return 'free';
  if (!stats.isDirectory()) return 'foreign';
  const content = await files.readFile(`${path}/${MANIFEST}`, MAX_MANIFEST_BYTES);
  if (content === null) {
    // Interrupted between creating the directory and marking it.
    const entries = await files.list(path);
    return entries.every(({ filename }) => filename === MANIFEST_PART) ? '' : 'foreign';
  }
  const manifest: Partial<Mark> | null = parseManifest(content.toString('utf8'));
  if (manifest?.job !== finished.job) return 'foreign';
  return manifest.state === 'published' ? sha256(content) : (manifest.composition ?? '');
}

/** Removes the remains of this job's earlier calls, the mark of each last. */
async function removeOwnTemporaries(call: Call, except: string | null): Promise<void> {
  for (const name of temporaryNames(call.finished.job)) {
    if (name === except || ['free', 'foreign'].includes(await temporaryState(call, name))) continue;
    await call.files.removeTree(`${call.parent}/${name}`, MANIFEST);
  }
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
