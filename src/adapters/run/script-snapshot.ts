/**
 * The operator's script on this host, read completely before any of it is sent, so that an edit meanwhile never gives a
 * server a mix of old and new files. Links are refused, because they could point to any file that the daemon can read.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { OperationError, throwIfAborted } from '../../errors.ts';
import type { ScriptStage } from '../../machines/model/domain.ts';
import { fileError } from './fs-error.ts';

export interface ScriptFile {
  /** Relative to the directory, with `/`. */
  readonly path: string;
  readonly content: Buffer;
  readonly executable: boolean;
}

export interface ScriptSnapshot {
  /** Relative to the directory. */
  readonly program: string;
  readonly files: readonly ScriptFile[];
  readonly bytes: number;
}

/** Scripts, templates and small tools fit; images and packages belong on the server's image or on a mirror. */
const MAX_BYTES = 16 * 1024 ** 2;
const MAX_FILES = 1000;
/** A directory that changes during all of these reads is being written to. */
const READS = 3;
const FILE_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** A checkout's history is not part of the script. */
const EXCLUDED = ['.git'];

/** @throws OperationError for a missing program, a link or special file, and a directory that is too large */
export async function readScript(
  { program, directory }: ScriptStage['script'],
  signal: AbortSignal,
): Promise<ScriptSnapshot> {
  try {
    if (directory === null) {
      const file = await readOne(program, basename(program), MAX_BYTES);
      return { program: file.path, files: [file], bytes: file.content.length };
    }
    return await readDirectory(directory, relative(directory, program), signal);
  } catch (error) {
    throw fileError('read script', directory ?? program, error);
  }
}

async function readDirectory(
  directory: string,
  program: string,
  signal: AbortSignal,
): Promise<ScriptSnapshot> {
  let before = await listFiles(directory);
  for (let reads = 0; reads < READS; reads += 1) {
    const files: ScriptFile[] = [];
    let bytes = 0;
    for (const { path } of before) {
      throwIfAborted(signal, 'read script', directory);
      const file = await readOne(join(directory, path), path, MAX_BYTES - bytes);
      bytes += file.content.length;
      files.push(file);
    }
    const after = await listFiles(directory);
    if (JSON.stringify(before) === JSON.stringify(after)) {
      if (files.some(({ path }) => path === program)) return { program, files, bytes };
      throw refused(
        join(directory, program),
        'does not exist',
        'correct the path, or reload the configuration',
        false,
      );
    }
    before = after;
  }
  throw refused(
    directory,
    'keeps changing',
    'write to another directory, and rename it when it is complete',
    true,
  );
}

/** The regular files of a directory, in a stable order, each with a version that changes with the file. */
async function listFiles(
  directory: string,
): Promise<readonly { readonly path: string; readonly version: string }[]> {
  const files: { path: string; version: string }[] = [];
  const pending = [''];
  for (let inner = pending.pop(); inner !== undefined; inner = pending.pop()) {
    const entries = await readdir(join(directory, inner), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = inner === '' ? entry.name : `${inner}/${entry.name}`;
      if (entry.isDirectory() && !EXCLUDED.includes(entry.name)) pending.push(path);
      if (entry.isDirectory()) continue;
      const { ino, size, mtimeMs, ctimeMs, mode } = await lstat(join(directory, path));
      files.push({ path, version: [ino, size, mtimeMs, ctimeMs, mode].join() });
      if (files.length + pending.length > MAX_FILES)
        throw refused(
          directory,
          `contains more than ${MAX_FILES} files`,
          'use a directory that contains only the script',
          false,
        );
    }
  }
  return files;
}

async function readOne(file: string, path: string, leftBytes: number): Promise<ScriptFile> {
  if (/\p{Cc}/u.test(path)) throw refused(file, 'has a control character in its name', 'rename it', false);
  const handle = await open(file, FILE_FLAGS).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ELOOP') throw refused(file, 'is a symbolic link', 'replace it with a copy', false);
    throw error;
  });
  try {
    const { mode, size } = await regular(handle, file);
    if (size > leftBytes) throw tooLarge(file);
    const content = await readAtMost(handle, leftBytes);
    if (content === null) throw tooLarge(file);
    return { path, content, executable: (mode & 0o111) !== 0 };
  } finally {
    await handle.close();
  }
}

async function regular(handle: FileHandle, file: string) {
  const found = await handle.stat();
  if (!found.isFile())
    throw refused(file, 'is not a regular file', 'remove it, or use another directory', false);
  return found;
}

/** Null: the file has more bytes, even if it has grown since it was measured. */
async function readAtMost(handle: FileHandle, limit: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of handle.createReadStream({ autoClose: false, end: limit })) {
    chunks.push(chunk);
    bytes += chunk.length;
  }
  return bytes > limit ? null : Buffer.concat(chunks);
}

function tooLarge(file: string): OperationError {
  const limit = `${MAX_BYTES / 1024 ** 2} MB`;
  return refused(
    file,
    `makes the script larger than ${limit}`,
    "put large files on the server's image",
    false,
  );
}

function refused(target: string, what: string, hint: string, retryable: boolean): OperationError {
  return new OperationError({
    operation: 'read script',
    target,
    message: `${target} ${what}`,
    retryable,
    hint,
  });
}
