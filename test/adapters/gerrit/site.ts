/** Common setup of these tests: keys created once, a scratch directory with them, options and a real clock. */
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import type { GerritOptions } from '../../../src/adapters/gerrit/transport/ssh-connection.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import type { Clock } from '../../../src/engine/ports/adapters.ts';
import type { Patchset } from '../../../src/machines/model/domain.ts';

const { generateKeyPairSync, parseKey } = ssh2.utils;

export const keys = {
  ed25519: ed25519(),
  otherEd25519: ed25519(),
  rsa: generateKeyPairSync('rsa', { bits: 2048 }),
  account: ed25519(),
};

/** In the format of ssh2's generator, which creates about one unreadable Ed25519 key in two hundred. */
function ed25519(): { readonly private: string; readonly public: string } {
  const { privateKey, publicKey } = makeKeyPair('');
  return { private: privateKey, public: publicKey.trim() };
}

export const realClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  after(delayMs, due) {
    const timer = setTimeout(due, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Real, but waits of a minute and more are held until the test ends them. */
export class HeldClock implements Clock {
  #held: (() => void)[] = [];
  #whenHeld: (() => void)[] = [];
  /** How far monotonic time is ahead of the real clock, in ms. */
  ahead = 0;
  readonly now = realClock.now;

  monotonic(): number {
    return realClock.monotonic() + this.ahead;
  }

  after(delayMs: number, due: () => void): () => void {
    if (delayMs < 60_000) return realClock.after(delayMs, due);
    this.#held.push(due);
    for (const resolve of this.#whenHeld.splice(0)) resolve();
    return () => {
      this.#held = this.#held.filter((other) => other !== due);
    };
  }

  /** Resolves when a caller waits. */
  held(): Promise<void> {
    return this.#held.length > 0 ? Promise.resolve() : new Promise((resolve) => this.#whenHeld.push(resolve));
  }

  /** Ends the wait. */
  release(): void {
    for (const due of this.#held.splice(0)) due();
  }
}

export const patchset: Patchset = {
  project: 'openstack/cinder',
  branch: 'master',
  change: 912345,
  patchset: 3,
  revision: 'e990e77e529ece659c65c7f24372813f69acce8b',
  ref: 'refs/changes/45/912345/3',
  subject: 'Acme: retry the login',
  owner: 'dev',
  url: 'https://review.example.org/c/openstack/cinder/+/912345',
  topic: '',
};

export class Site {
  readonly directory = mkdtempSync(join(tmpdir(), 'sos-ci-gerrit-'));

  /** Options for a server that presents the ed25519 key, which is pinned. */
  options(port: number, more: Partial<GerritOptions> = {}): GerritOptions {
    return {
      host: '127.0.0.1',
      port,
      user: 'acme-ci',
      keyFile: this.file('key', keys.account.private, 0o600),
      knownHostsFile: this.file('known_hosts', `[127.0.0.1]:${port} ${keys.ed25519.public}\n`),
      connectTimeoutMs: 20_000,
      keepaliveMs: 20_000,
      keepaliveMax: 3,
      streamIdleTimeoutMs: 60_000,
      backoffMinMs: 5,
      backoffMaxMs: 20,
      maxEventBytes: 8 * 1024 * 1024,
      commandTimeoutMs: 20_000,
      postSettleTimeoutMs: 20,
      authRetryIntervalMs: 600_000,
      closeTimeoutMs: 1_000,
      maxConcurrentReviews: 4,
      maxConcurrentQueries: 2,
      idleMs: 60_000,
      indexLagMs: 0,
      maxFiles: 1_000,
      maxResponseBytes: 64 * 1024 * 1024,
      ...more,
    };
  }

  file(name: string, text: string, mode = 0o644): string {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode });
    return path;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The bytes of the key, which known_hosts contains as base64. */
export function blobOf(publicKey: string): Buffer {
  const parsed = parseKey(publicKey);
  if (parsed instanceof Error) throw parsed;
  return parsed.getPublicSSH();
}

/** A host's name as ssh-keygen -H writes it. */
export function hashed(name: string, salt: Buffer = Buffer.alloc(20, 7)): string {
  const hash = createHmac('sha1', salt).update(name).digest('base64');
  return `|1|${salt.toString('base64')}|${hash}`;
}
