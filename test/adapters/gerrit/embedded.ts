/**
 * The embedded Gerrit with our account and a developer's, and a reviewer over either transport. Its changes are created
 * without git.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RestReviews } from '../../../src/adapters/gerrit/reviews/rest-reviews.ts';
import { GerritReviewer } from '../../../src/adapters/gerrit/reviews/reviewer.ts';
import { SshReviews } from '../../../src/adapters/gerrit/reviews/ssh-reviews.ts';
import { RestClient, type RestOptions } from '../../../src/adapters/gerrit/transport/rest-client.ts';
import { SharedConnection } from '../../../src/adapters/gerrit/transport/shared-connection.ts';
import type { GerritOptions } from '../../../src/adapters/gerrit/transport/ssh-connection.ts';
import { EmbeddedGerrit } from '../../../src/demo/gerrit/embedded-gerrit.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import type { Clock } from '../../../src/engine/ports/adapters.ts';
import type { Patchset } from '../../../src/machines/model/domain.ts';
import { addChange } from '../../demo/gerrit/example-site.ts';
import { realClock, Site } from './site.ts';

const PROJECT = 'openstack/cinder';
const HTTP_PASSWORD = 'correct horse';

export class Embedded {
  readonly directory = mkdtempSync(join(tmpdir(), 'sos-ci-embedded-'));
  readonly gerrit: EmbeddedGerrit;
  readonly #site = new Site();
  readonly #clients: RestClient[] = [];

  private constructor(publicKey: string) {
    this.gerrit = new EmbeddedGerrit({
      directory: join(this.directory, 'git'),
      accounts: [
        {
          username: 'acme-ci',
          publicKeys: [publicKey],
          labels: { Verified: [-1, 1], 'Code-Review': [-1, 1] },
          httpPassword: HTTP_PASSWORD,
        },
        { username: 'dev', labels: { 'Code-Review': [-2, 2] } },
      ],
    });
  }

  static async start(): Promise<Embedded> {
    const { privateKey, publicKey } = makeKeyPair('acme-ci');
    const embedded = new Embedded(publicKey);
    writeFileSync(join(embedded.directory, 'key'), privateKey, { mode: 0o600 });
    await embedded.gerrit.start();
    writeFileSync(join(embedded.directory, 'known_hosts'), embedded.gerrit.knownHosts);
    return embedded;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.gerrit.stop();
    this.#site.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  ssh(more: Partial<GerritOptions> = {}, clock: Clock = realClock): GerritReviewer {
    const options = this.options(more);
    return new GerritReviewer(
      new SshReviews(options, 'acme-ci', new SharedConnection(options, realClock)),
      clock,
      options.postSettleTimeoutMs,
    );
  }

  options(more: Partial<GerritOptions> = {}): GerritOptions {
    return this.#site.options(this.gerrit.port, {
      keyFile: join(this.directory, 'key'),
      knownHostsFile: join(this.directory, 'known_hosts'),
      ...more,
    });
  }

  client(more: Partial<RestOptions> = {}, clock: Clock = realClock): RestClient {
    const client = new RestClient(
      {
        url: this.gerrit.state.url,
        user: 'acme-ci',
        password: () => HTTP_PASSWORD,
        caFile: null,
        connectTimeoutMs: 20_000,
        requestTimeoutMs: 20_000,
        idleMs: 15_000,
        retryAfterMaxMs: 20,
        answerLimitBytes: 1024 * 1024,
        connections: 4,
        ...more,
      },
      clock,
    );
    this.#clients.push(client);
    return client;
  }

  rest(
    more: Partial<RestOptions> & { readonly settleMs?: number } = {},
    clock: Clock = realClock,
  ): GerritReviewer {
    const { settleMs = 20, ...options } = more;
    return new GerritReviewer(
      new RestReviews(this.client(options, clock), { url: 'https://review.example.org', filesLimit: 100 }),
      clock,
      settleMs,
    );
  }

  newPatchset(): Patchset {
    const { state } = this.gerrit;
    const change = addChange(state, this.#account('dev'), PROJECT);
    return this.#patchset(change.number);
  }

  supersede({ change: number }: Patchset): Patchset {
    const change = this.gerrit.change(number);
    const [first] = change.patchsets;
    if (first === undefined) throw new Error('a change without a patchset');
    const next = change.patchsets.length + 1;
    const revision = `${number}${next}e`.repeat(14).slice(0, 40);
    change.patchsets.push({
      ...first,
      number: next,
      revision,
      ref: first.ref.replace(/[^/]+$/, String(next)),
      votes: new Map(),
    });
    return this.#patchset(number);
  }

  /** Our account's messages, oldest first. */
  texts({ change }: Patchset): readonly string[] {
    return this.gerrit.messages(change, 'acme-ci').map(({ text }) => text);
  }

  #account(username: string) {
    const account = this.gerrit.state.accounts.get(username);
    if (account === undefined) throw new Error(`no account ${username}`);
    return account;
  }

  #patchset(number: number): Patchset {
    const change = this.gerrit.change(number);
    const current = change.patchsets.at(-1);
    if (current === undefined) throw new Error('a change without a patchset');
    return {
      project: change.project,
      branch: change.branch,
      change: number,
      patchset: current.number,
      revision: current.revision,
      ref: current.ref,
      subject: change.commitMessage.split('\n')[0] ?? '',
      owner: 'dev',
      url: `${this.gerrit.state.url}/c/${change.project}/+/${number}`,
      topic: '',
    };
  }
}
