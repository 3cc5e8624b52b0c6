/** A cloud on loopback with scripted answers, except those of Keystone, and a session with it. */
import { inspect } from 'node:util';
import { expect } from 'vitest';
import { KeystoneSession } from '../../../../src/adapters/openstack/session/cloud-session.ts';
import { type Credentials, credentialsOf } from '../../../../src/adapters/openstack/session/credentials.ts';
import type { Clock } from '../../../../src/engine/ports/adapters.ts';
import { OperationError } from '../../../../src/errors.ts';
import type { Certificate } from '../../../fakes/certificate.ts';
import { type WebCall, WebServer } from '../../../fakes/web-server.ts';
import { realClock } from '../../gerrit/site.ts';

export const PASSWORD = 'correct-horse-battery';

/** Records short waits and ends them at once. Tests advance the time. */
class QuickClock implements Clock {
  readonly waits: number[] = [];
  ahead = 0;
  readonly now = realClock.now;

  monotonic(): number {
    return realClock.monotonic() + this.ahead;
  }

  after(delayMs: number, due: () => void): () => void {
    if (delayMs >= 10_000) return realClock.after(delayMs, due);
    this.waits.push(delayMs);
    return realClock.after(0, due);
  }
}

export class KeystoneFixture {
  readonly server: WebServer;
  readonly clock = new QuickClock();
  readonly session: KeystoneSession;
  readonly fields = new Map<string, string>();
  lifetimeMs = 3_600_000;
  project: object | undefined = { id: 'p1', name: 'demo', domain: { name: 'Default' } };
  issued = 0;
  catalogue: readonly object[];
  environment: Readonly<Record<string, string>> = {};
  /** Answers all calls except logins and version documents. */
  answer: (call: WebCall) => void = ({ response }) => json(response, 200, {});
  versions: (call: WebCall) => void = ({ response }) =>
    json(response, 200, { version: { id: 'v2.1', status: 'CURRENT', version: '2.93', min_version: '2.1' } });
  logIn: (call: WebCall) => void = ({ response }) => {
    this.issued += 1;
    const now = Date.UTC(2026, 0, 1);
    response.setHeader('x-subject-token', `token-${this.issued}`);
    const times = {
      issued_at: new Date(now).toISOString(),
      expires_at: new Date(now + this.lifetimeMs).toISOString(),
    };
    json(response, 201, {
      token: { ...times, project: this.project, user: { id: 'u1', name: 'ci' }, catalog: this.catalogue },
    });
  };

  private constructor(server: WebServer) {
    this.server = server;
    for (const [name, value] of Object.entries({
      auth_url: `${server.url}/identity`,
      username: 'ci',
      password: PASSWORD,
      project_name: 'demo',
    }))
      this.fields.set(name, value);
    this.catalogue = [
      service('compute', `${server.url}/compute/v2.1`),
      service('network', `${server.url}/network`),
      service('image', `${server.url}/image/`),
      service('volumev3', `${server.url}/volume/v3/p1`),
    ];
    server.answer = (call) => {
      if (call.url === '/identity/v3/auth/tokens') this.logIn(call);
      else if (/^\/compute(\/v2\.1)?\/$/.test(call.url)) this.versions(call);
      else this.answer(call);
    };
    this.session = new KeystoneSession(() => this.credentials(), this.clock);
  }

  static async start(certificate: Certificate | null = null): Promise<KeystoneFixture> {
    return new KeystoneFixture(await WebServer.start(certificate));
  }

  credentials(): Credentials {
    const values = new Map(
      [...this.fields].map(([name, value]) => [name, { value, where: `clouds.lab.${name}` }]),
    );
    return credentialsOf({ source: 'clouds.lab', values, environment: this.environment });
  }

  /** The calls to services, without Keystone and version documents. */
  get calls(): readonly WebCall[] {
    return this.server.calls.filter(({ url }) => !url.startsWith('/identity') && !/\/v2\.1\/$/.test(url));
  }

  async stop(): Promise<void> {
    this.session.close();
    await this.server.close();
  }
}

export function service(type: string, url: string, more: object = {}): object {
  return {
    type,
    endpoints: [{ interface: 'public', region: 'RegionOne', region_id: 'RegionOne', url, ...more }],
  };
}

export function json(response: WebCall['response'], status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** The error of `work`. Checks that it contains no secret. */
export async function failure(work: Promise<unknown>): Promise<OperationError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof OperationError)) throw new Error(`no OperationError: ${inspect(error)}`);
  const shown = inspect(error, { depth: 10, showHidden: true });
  expect(shown).not.toContain(PASSWORD);
  expect(shown).not.toContain('token-1');
  return error;
}
