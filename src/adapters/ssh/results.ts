/**
 * Reads a results file that an untrusted test run left in its work tree on a node: a regular file inside the tree, up
 * to a limit, whatever links, pipes or sizes the node reports. The content is not verified: the code under test has the
 * same rights on the node as sos-ci.
 */
import { join } from 'node:path/posix';
import type { ResultsRead } from '../../engine/ports/adapters.ts';
import { SFTP_STATUS, type SshClient } from './client/client.ts';
import { FileRequestRefused, NodeFiles } from './files.ts';

export interface ResultsRequest {
  readonly connection: SshClient;
  readonly signal: AbortSignal;
  /** Absolute path of the work tree on the node. */
  readonly tree: string;
  /** Relative to the tree. */
  readonly file: string;
  readonly limitBytes: number;
  readonly requestTimeoutMs: number;
  readonly read: (chunks: AsyncIterable<Uint8Array>) => Promise<ResultsRead>;
}

export async function readRemoteResults(request: ResultsRequest): Promise<ResultsRead> {
  const { connection, requestTimeoutMs, signal, file } = request;
  return NodeFiles.using(connection, requestTimeoutMs, signal, async (files) => {
    try {
      return await readIn(files, request);
    } catch (error) {
      if (!(error instanceof FileRequestRefused)) throw error;
      return { unreadable: `${file}: ${refusal(error)}` };
    }
  });
}

async function readIn(files: NodeFiles, request: ResultsRequest): Promise<ResultsRead> {
  const { tree, file, limitBytes, read } = request;
  const path = join(tree, file);
  const unreadable = (why: string) => ({ unreadable: `${file}: ${why}` });
  // Checked before the open, because opening a pipe waits for its writer.
  const seen = await files.lstat(path);
  if (seen.isSymbolicLink()) return unreadable('it is a symbolic link');
  if (!seen.isFile()) return unreadable('it is not a regular file');
  const [root, real] = [await files.realpath(tree), await files.realpath(path)];
  if (!real.startsWith(`${root}/`)) return unreadable('it is outside of the work tree');
  const handle = await files.open(path);
  const found = await files.fstat(handle);
  if (!found.isFile()) return unreadable('it is not a regular file');
  if (found.size > limitBytes) return unreadable(`it is larger than ${limitBytes} bytes`);
  const bounded = new Bounded(files.read(handle, limitBytes + 1), limitBytes);
  const results = await read(bounded);
  return bounded.exceeded ? unreadable(`it is larger than ${limitBytes} bytes`) : results;
}

/** Forwards at most `limitBytes`, and records whether there was more. */
class Bounded implements AsyncIterable<Uint8Array> {
  exceeded = false;
  readonly #chunks: AsyncIterable<Buffer>;
  #left: number;

  constructor(chunks: AsyncIterable<Buffer>, limitBytes: number) {
    this.#chunks = chunks;
    this.#left = limitBytes;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.#chunks) {
      this.exceeded = chunk.length > this.#left;
      yield chunk.subarray(0, this.#left);
      if (this.exceeded) return;
      this.#left -= chunk.length;
    }
  }
}

function refusal(error: FileRequestRefused): string {
  switch (error.code) {
    case SFTP_STATUS.NO_SUCH_FILE:
      return 'no such file';
    case SFTP_STATUS.PERMISSION_DENIED:
      return 'no permission to read it';
    case SFTP_STATUS.BAD_MESSAGE:
      return 'its name is too long';
    default:
      return 'the node cannot read it';
  }
}
