/**
 * The pinned host keys of one server, in a file that is kept until the server is deleted. They come from the
 * configuration or from the program that created the server, or else from the first contact. So a host that is leased
 * twice, or an address that is reused for another server, is never mistaken for the previous one, and a key that
 * changes meanwhile is refused.
 */
import { createHash } from 'node:crypto';
import { access, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { OperationError } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';
import { allHostKeyAlgorithms, fingerprint, hostKeyAlgorithms, keyType } from '../openssh/known-hosts.ts';
import { knownHostLine } from '../openssh/pin-host-key.ts';
import { removeWithTemporaries, writeAtomically } from '../run/atomic-file.ts';
import { errorCode, fileError } from '../run/fs-error.ts';

type PinnedServer = Pick<Server, 'id' | 'provider'>;

export class PinnedKey {
  /** Null: the keys are not saved. */
  readonly #file: string | null;
  readonly #target: string;
  #blobs: readonly Buffer[];

  private constructor(file: string | null, target: string, blobs: readonly Buffer[]) {
    this.#file = file;
    this.#target = target;
    this.#blobs = blobs;
  }

  /**
   * Reads the pinned keys; `target` is for messages. Without a pin file, `fallback` supplies the keys; if it supplies
   * none, the first key that the server presents is accepted.
   */
  static async read(
    stateDir: string,
    server: PinnedServer,
    target: string,
    fallback: () => Promise<readonly Buffer[]>,
  ): Promise<PinnedKey> {
    const file = pinFile(stateDir, server);
    try {
      const text = await readFile(file, 'latin1');
      const blobs = text.split('\n').flatMap((line) => (line === '' ? [] : [Buffer.from(line, 'base64')]));
      if (blobs.length === 0 || blobs.some((blob) => keyType(blob) === null)) throw damaged(file);
      return new PinnedKey(file, target, blobs);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return new PinnedKey(file, target, await fallback());
      throw fileError('read pinned host key', file, error);
    }
  }

  /** For a probe: reads and saves nothing. Without keys, the first key presented is accepted. */
  static forProbe(target: string, keys: readonly Buffer[]): PinnedKey {
    return new PinnedKey(null, target, keys);
  }

  get blobs(): readonly Buffer[] {
    return this.#blobs;
  }

  /** The signature algorithms to request from the node: those of the pinned key types. */
  get algorithms(): readonly string[] {
    const keys = this.#blobs.map((blob) => ({ type: keyType(blob) ?? '' }));
    return keys.length === 0 ? allHostKeyAlgorithms() : hostKeyAlgorithms({ keys });
  }

  /** Null: the key is accepted. A first key is saved to disk before it is accepted. */
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
      message: `${this.#target} shows ${named(presented)}, but ${this.#blobs.map(named).join(' or ')} is pinned for this server`,
      retryable: false,
      hint: "this may be an attack, or another host has the address: compare with the node's operator, and correct the configuration",
    });
  }
}

/** Pins keys before the first contact. An existing pin file is kept. */
export async function pinNew(stateDir: string, server: PinnedServer, keys: readonly Buffer[]): Promise<void> {
  const file = pinFile(stateDir, server);
  const known = await access(file).then(
    () => true,
    () => false,
  );
  if (!known) await writePin(file, keys);
}

/** Removes the pin of a deleted server. */
export async function unpin(stateDir: string, server: PinnedServer): Promise<void> {
  const file = pinFile(stateDir, server);
  await removeWithTemporaries(file);
  await removeWithTemporaries(knownHostsOf(file));
}

/** Writes the pinned keys as a known_hosts file for people who log in with OpenSSH. Returns its path. */
export async function saveKnownHosts(
  stateDir: string,
  server: PinnedServer,
  { host, port }: { readonly host: string; readonly port: number },
  keys: readonly Buffer[],
): Promise<string> {
  const file = knownHostsOf(pinFile(stateDir, server));
  const lines = keys.map((key) => `${knownHostLine(host, port, key)}\n`);
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeAtomically(file, lines.join(''));
  } catch (error) {
    throw fileError('write known_hosts', file, error);
  }
  return file;
}

function knownHostsOf(pin: string): string {
  return `${pin}.known_hosts`;
}

function pinFile(stateDir: string, { provider, id }: PinnedServer): string {
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
    message: 'it contains no host key',
    retryable: false,
    hint: 'remove the file if you trust the key that the node shows next',
  });
}
