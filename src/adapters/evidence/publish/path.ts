/**
 * The path of a job's published evidence below the root of all logs: `<last two digits of
 * change>/<change>/<patchset>/<pipeline>/<job name>/<first 12 of job id>/`, the layout that OpenStack developers know.
 * Guarantees: each segment is a plain directory, created when missing and never a link; a directory that another job
 * owns is not touched, and the complete job id is used as the name instead.
 */
import { chmod, mkdir, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { OperationError } from '../../../errors.ts';
import { Directory, errorCode } from '../files/dir-handle.ts';
import { checkJobId, checkSegment } from '../files/safe-names.ts';
import { type Manifest, type PublishRequest, readManifest, verifyFiles } from './manifest.ts';

/** Published files are world-readable. */
export const PUBLIC_DIRECTORY = 0o755;
export const PUBLIC_FILE = 0o644;
const SHORT_ID = 12;

/** The state of a name: free, taken by another owner, ours and complete, or ours and damaged. */
export type Holder =
  | { readonly state: 'free' | 'taken' | 'damaged' }
  | { readonly state: 'ours'; readonly manifest: Manifest };

/** The path segments from the root to the parent of a job's directory. */
export function parentSegments(
  request: Pick<PublishRequest, 'pipeline' | 'name'> & {
    readonly patchset: Pick<PublishRequest['patchset'], 'change' | 'patchset'>;
  },
): readonly string[] {
  const { change, patchset } = request.patchset;
  for (const number of [change, patchset]) checkNumber(number);
  return [
    String(change).slice(-2).padStart(2, '0'),
    String(change),
    String(patchset),
    checkSegment('pipeline', request.pipeline),
    checkSegment('job name', request.name),
  ];
}

/** The possible names of a job's directory, the usual one first. */
export function candidateNames(job: string): readonly [string, ...string[]] {
  const short = checkJobId(job).slice(0, SHORT_ID);
  return short === job ? [short] : [short, job];
}

/** The URL of a published directory; ends with a slash. */
export function urlOf(root: string, segments: readonly string[]): string {
  return `${root.replace(/\/+$/, '')}/${segments.map(encodeURIComponent).join('/')}/`;
}

/** Opens the parent of a job's directory and creates missing directories on the way. */
export async function openParent(root: string, segments: readonly string[]): Promise<Directory> {
  await makeRoot(resolve(root));
  // The root itself may be a link that the operator created.
  let parent = await Directory.at(await realpath(root));
  for (const segment of segments) {
    parent = await parent.using((directory) => directory.enterOrMake(segment, PUBLIC_DIRECTORY));
  }
  return parent;
}

/** Creates the root. Sets the modes of created directories separately, because the umask reduces those of mkdir. */
async function makeRoot(root: string): Promise<void> {
  const first = await mkdir(root, { recursive: true });
  if (first === undefined) return;
  for (let path = root; ; path = dirname(path)) {
    await chmod(path, PUBLIC_DIRECTORY);
    if (path === first || path === dirname(path)) return;
  }
}

/** Checks a name in the parent: its owner, and whether its directory is complete. */
export async function inspectHolder(
  parent: Directory,
  name: string,
  job: string,
  signal: AbortSignal,
): Promise<Holder> {
  let directory: Directory;
  try {
    directory = await parent.enter(name);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { state: 'free' };
    if (errorCode(error) === 'ENOTDIR') return { state: 'taken' };
    throw error;
  }
  return directory.using(async () => {
    const manifest = await readManifest(directory);
    if (manifest?.job !== job) return { state: 'taken' };
    const isComplete = manifest.state === 'published' && (await verifyFiles(directory, manifest, signal));
    return isComplete ? { state: 'ours', manifest } : { state: 'damaged' };
  });
}

function checkNumber(value: number): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new OperationError({
    operation: 'publish evidence',
    target: String(value),
    message: 'the change or patchset is not a number',
    retryable: false,
    hint: 'run sos-ci verify: the event log may be damaged',
  });
}
