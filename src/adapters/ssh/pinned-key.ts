/**
 * The host keys by which one server is known, in a file of our own until the server is deleted: what the configuration or
 * the program that made the server says, or else the key that it shows at first contact. So a host that is leased twice, or
 * an address that is given to another server, is never taken for the one before; and a key that changes meanwhile is
 * refused.
 */
import { createHash } from 'node:crypto';
import { access, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OperationError } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';
import { allHostKeyAlgorithms, fingerprint, hostKeyAlgorithms, keyType } from '../openssh/known-hosts.ts';
import { removeWithTemporaries, writeAtomically } from '../run/atomic-file.ts';
import { errorCode, fileError } from '../run/fs-error.ts';

type Which = Pick<Server, 'id' | 'provider'>;

export class PinnedKey {
  /** Null: nothing is kept. */
  readonly #file: string | null;
  readonly #target: string;
  #blobs: readonly Buffer[];

  private constructor(file: string | null, target: string, blobs: readonly Buffer[]) {
    this.#file = file;
    this.#target = target;
    this.#blobs = blobs;
  }

  /**
   * As it is kept now; `target` is for people. Where nothing is kept, `otherwise` says what counts; when that says nothing
   * either, it is the key that comes first.
   */
  static async read(
    stateDir: string,
    server: Which,
    target: string,
    otherwise: () => Promise<readonly Buffer[]>,
  ): Promise<PinnedKey> {
    const file = pinFile(stateDir, server);
    try {
      const text = await readFile(file, 'latin1');
      const blobs = text.split('\n').flatMap((line) => (line === '' ? [] : [Buffer.from(line, 'base64')]));
      if (blobs.length === 0 || blobs.some((blob) => keyType(blob) === null)) throw damaged(file);
      return new PinnedKey(file, target, blobs);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return new PinnedKey(file, target, await otherwise());
      throw fileError('read pinned host key', file, error);
    }
  }

  /** For one look: nothing is read or kept. No keys: whatever is shown first. */
  static forLook(target: string, keys: readonly Buffer[]): PinnedKey {
    return new PinnedKey(null, target, keys);
  }

  get blobs(): readonly Buffer[] {
    return this.#blobs;
  }

  /** What to ask the node for: signatures by keys of the types that are pinned. */
  get algorithms(): readonly string[] {
    const keys = this.#blobs.map((blob) => ({ type: keyType(blob) ?? '' }));
    return keys.length === 0 ? allHostKeyAlgorithms() : hostKeyAlgorithms({ keys });
  }

  /** Null: it is the right one. A first key is on the disk before it counts. */
  async judge(presented: Buffer): Promise<OperationError | null> {
    if (this.#blobs.length === 0) {
      if (this.#file !== null) await writePin(this.#file, [presented]);
      this.#blobs = [presented];
      return null;
    }
    return this.#blobs.some((blob) => blob.equals(presented)) ? null : this.#refusal(presented);
  }

  #refusal(presented: Buffer): OperationError {
    const named = (blob: Buffer) => `${keyType(blob) ?? 'a key'} ${fingerprint(blob)}`;
    return new OperationError({
      operation: 'verify host key',
      target: this.#target,
      message: `${this.#target} shows ${named(presented)}, pinned for this server is ${this.#blobs.map(named).join(' or ')}`,
      retryable: false,
      hint: "this may be an attack, or another host has the address: compare with the node's operator, and correct the configuration",
    });
  }
}

/** Pins keys before the first contact; once there has been one, it counts. */
export async function pinNew(stateDir: string, server: Which, keys: readonly Buffer[]): Promise<void> {
  const file = pinFile(stateDir, server);
  const known = await access(file).then(
    () => true,
    () => false,
  );
  if (!known) await writePin(file, keys);
}

/** The server is gone: its key says nothing any more. */
export async function unpin(stateDir: string, server: Which): Promise<void> {
  await removeWithTemporaries(pinFile(stateDir, server));
}

function pinFile(stateDir: string, { provider, id }: Which): string {
  const name = `${provider}-${id}`;
  const plain = /^[A-Za-z0-9][A-Za-z0-9._-]{0,120}$/.test(name);
  return join(stateDir, 'host-keys', plain ? name : createHash('sha256').update(name).digest('hex'));
}

async function writePin(file: string, keys: readonly Buffer[]): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeAtomically(file, keys.map((blob) => `${blob.toString('base64')}\n`).join(''));
  } catch (error) {
    throw fileError('pin host key', file, error);
  }
}

function damaged(file: string): OperationError {
  return new OperationError({
    operation: 'read pinned host key',
    target: file,
    message: 'it holds no host key',
    retryable: false,
    hint: 'remove the file if you trust the key that the node shows next',
  });
}
