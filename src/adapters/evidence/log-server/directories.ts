/** Directories on the log server: the parents of a job's directory, the manifest that names its owner, and temporary names. */
import { OperationError } from '../../../errors.ts';
import { MANIFEST, MAX_MANIFEST_BYTES, type Manifest, parseManifest } from '../publish/manifest.ts';
import { noTemporaryName, temporaryNames } from '../publish/transaction.ts';
import type { LogServerFiles } from './files.ts';

/** Creates the missing directories, and refuses links. Resolves to the path of the last one. */
export async function openParent(
  files: LogServerFiles,
  dir: string,
  segments: readonly string[],
): Promise<string> {
  // The directory itself may be a link that the operator created. It is not created: its disk might not be mounted.
  let path = (await files.realpath(dir)) ?? dir;
  await expectDirectory(files, path, 'create it on the log server, owned by that account: logs.ssh.dir');
  for (const segment of segments) {
    path = `${path === '/' ? '' : path}/${segment}`;
    if ((await files.lstat(path)) === null && (await files.makeDirectory(path))) continue;
    await expectDirectory(files, path, 'move it out of the way');
  }
  return path;
}

async function expectDirectory(files: LogServerFiles, path: string, hint: string): Promise<void> {
  const stats = await files.lstat(path);
  if (stats?.isDirectory() === true) return;
  throw new OperationError({
    operation: 'publish evidence',
    target: files.target,
    message: stats === null ? `${path} does not exist` : `${path} is not a directory`,
    retryable: false,
    hint,
  });
}

/** Null when there is no valid manifest. */
export async function readManifest(files: LogServerFiles, path: string): Promise<Manifest | null> {
  const content = await files.readFile(`${path}/${MANIFEST}`, MAX_MANIFEST_BYTES);
  return content === null ? null : parseManifest(content.toString('utf8'));
}

/** Returns an unused name. */
export async function freeTemporaryName(files: LogServerFiles, parent: string, job: string): Promise<string> {
  for (const name of temporaryNames(job)) if ((await files.lstat(`${parent}/${name}`)) === null) return name;
  throw noTemporaryName(job, parent);
}
