/** What the provider makes of each way in which a cloud refuses, fails, or lies. */
import { afterEach, beforeEach, expect } from 'vitest';
import type { OpenStackProviderConfig } from '../../../src/config/config.ts';
import { OperationError } from '../../../src/errors.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { CloudLab, EMPTY, removeAll, request } from './lab.ts';

const { describe, it } = needs('sshd');
const HTML = '<html><body><h1>Sign in</h1></body></html>';

let lab: CloudLab;
beforeEach(async () => {
  lab = await CloudLab.start();
});
afterEach(() => lab.stop());

describe('a server is created', () => {
  const lost = [
    ['answers 500', { status: 500 }],
    ['answers 504 with a page', { status: 504, body: HTML, headers: { 'content-type': 'text/html' } }],
    ['answers 429', { status: 429, headers: { 'retry-after': '1' } }],
    ['answers 202 with a page', { status: 202, body: HTML }],
    ['sends half an answer', 'cut'],
    ['closes the connection', 'close'],
  ] as const;
  it.each(lost)('and found by its mark when Nova %s although it exists', async (_what, answer) => {
    lab.cloud.faults.add({ service: 'compute', method: 'POST', path: /^servers$/, answer, when: 'after' });
    const provider = lab.provider();
    const server = await provider.create(request(), NEVER);
    expect(lab.cloud.changes.filter((call) => call === 'POST compute servers')).toHaveLength(1);
    await provider.delete(server, 'ours', NEVER);
    expect(lab.left).toEqual(EMPTY);
  });

  const passing = [
    [
      'Nova answers a GET with 503 and Retry-After',
      'compute',
      { status: 503, headers: { 'retry-after': '0' } },
    ],
    ['Glance answers a GET with 429', 'image', { status: 429 }],
    ['Neutron closes the connection of a GET', 'network', 'close'],
    ['Neutron sends half an answer to a GET', 'network', 'cut'],
  ] as const;
  it.each(passing)('although %s', async (_what, service, answer) => {
    lab.cloud.faults.add({ service, method: 'GET', answer });
    await lab.provider().create(request(), NEVER);
    expect(lab.left.servers).toHaveLength(1);
  });

  it('although the token ends while it boots', async () => {
    lab.cloud.state.buildReads = 2;
    const creating = lab.provider().create(request(), NEVER);
    await expect.poll(() => lab.cloud.state.servers.size).toBe(1);
    lab.cloud.state.tokens.clear();
    await creating;
    expect(lab.cloud.state.tokens.size).toBe(1);
  });

  it('although the answer to its last call is lost', async () => {
    const path = /metadata$/;
    lab.cloud.faults.add({ service: 'compute', path, answer: { status: 500 }, when: 'after' });
    const provider = lab.provider();
    const server = await provider.create(request(), NEVER);
    expect(await provider.list({ deployment: 'ours' }, NEVER)).toMatchObject([{ server }]);
  });
});

interface Refusal {
  readonly after: string;
  readonly spoil?: (lab: CloudLab) => void;
  readonly config?: Partial<OpenStackProviderConfig>;
  readonly error: Readonly<Record<string, unknown>>;
}
const quota = (name: string) => (of: CloudLab) => void Object.assign(of.cloud.state.quotas, { [name]: 0 });
const answers =
  (service: 'compute' | 'network', path: RegExp, status: number, body?: object | string) => (of: CloudLab) =>
    of.cloud.faults.add({
      ...{ service, method: 'POST', path },
      answer: { status, body: typeof body === 'string' ? body : JSON.stringify(body ?? {}) },
    });

describe('a server is not created, and nothing stays behind', () => {
  const refusals: readonly Refusal[] = [
    {
      after: 'the quota of cores (403)',
      spoil: quota('cores'),
      error: { kind: 'quota', status: 403, retryable: true, message: /Quota exceeded for cores/ },
    },
    {
      after: 'the quota of key pairs (403)',
      spoil: quota('keyPairs'),
      error: { kind: 'quota', status: 403, retryable: true },
    },
    {
      after: 'the quota of ports (409)',
      spoil: quota('ports'),
      error: { kind: 'quota', status: 409, retryable: true },
    },
    {
      after: 'the quota of floating addresses (409)',
      spoil: quota('floatingAddresses'),
      config: { floatingNetwork: 'public' },
      error: { kind: 'quota', status: 409, retryable: true },
    },
    {
      after: 'the quota of volumes (413)',
      spoil: quota('volumes'),
      config: { bootVolumeGb: 1 },
      error: { kind: 'quota', status: 413, retryable: true },
    },
    {
      after: 'a policy (403)',
      spoil: answers('compute', /^servers$/, 403, {
        forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:servers:create" },
      }),
      error: { kind: 'forbidden', retryable: false, message: /Policy doesn't allow/ },
    },
    {
      after: '503 without effect',
      spoil: answers('compute', /^servers$/, 503),
      error: { kind: 'unavailable', retryable: true },
    },
    {
      after: '429 without effect',
      spoil: answers('compute', /^servers$/, 429),
      error: { kind: 'rate-limited', retryable: true },
    },
    {
      after: '500 of Neutron',
      spoil: answers('network', /^ports$/, 500),
      error: { kind: 'unavailable', retryable: true },
    },
    {
      after: 'a page of a proxy',
      spoil: answers('compute', /^servers$/, 200, HTML),
      error: { kind: 'bad-answer', retryable: true, message: /not JSON: Sign in/ },
    },
    {
      after: 'JSON of another API',
      spoil: answers('network', /^ports$/, 201, { hello: 'world' }),
      error: { kind: 'bad-answer', message: /without what the API promises: port/ },
    },
    {
      after: 'an image that does not exist',
      config: { image: 'ubuntu-2404' },
      error: {
        message: 'there is no image ubuntu-2404',
        hint: 'the project sees: ubuntu-24.04, debian-12',
        retryable: false,
      },
    },
    {
      after: 'a flavor that does not exist',
      config: { flavor: 'm1.larg' },
      error: { message: 'there is no flavor m1.larg', hint: 'the project sees: m1.large, m1.small' },
    },
    {
      after: 'a network that does not exist',
      config: { networks: ['private1'] },
      error: { message: 'there is no network private1', hint: /sees: private, / },
    },
    {
      after: 'two images of one name',
      spoil: ({ cloud }) => void cloud.state.addImage('ubuntu-24.04', null),
      error: { message: /several are named ubuntu-24.04/, retryable: false },
    },
    {
      after: 'a zone that does not exist (400)',
      config: { availabilityZone: 'moon' },
      error: { kind: 'bad-request', retryable: false },
    },
  ];
  it.each(refusals)('after $after', async ({ spoil, config, error }) => {
    spoil?.(lab);
    const provider = lab.provider(config);
    const thrown: unknown = await provider.create(request(), NEVER).catch((caught: unknown) => caught);
    if (!(thrown instanceof OperationError)) throw new Error(`no OperationError: ${thrown}`);
    for (const [field, wanted] of Object.entries(error)) {
      const found: unknown = Reflect.get(thrown, field);
      if (wanted instanceof RegExp) expect(found).toMatch(wanted);
      else expect(found).toBe(wanted);
    }
    expect(thrown.hint).not.toBe('');
    await removeAll(provider);
    expect(lab.left).toEqual(EMPTY);
  });

  it('after a fault of the scheduler, which is reported', async () => {
    lab.cloud.state.buildReads = Number.POSITIVE_INFINITY;
    const provider = lab.provider();
    const creating = provider.create(request(), NEVER);
    const message = 'No valid host was found.';
    const fails = expect(creating).rejects.toMatchObject({ message, retryable: true });
    await expect.poll(() => lab.cloud.state.servers.size).toBe(1);
    for (const server of lab.cloud.state.servers.values())
      Object.assign(server, { status: 'ERROR', fault: { code: 500, message } });
    await fails;
    await removeAll(provider);
    expect(lab.left).toEqual(EMPTY);
  });

  it('after someone else deletes it while it is built', async () => {
    lab.cloud.state.buildReads = Number.POSITIVE_INFINITY;
    const provider = lab.provider();
    const message = 'it was deleted while it started';
    const fails = expect(provider.create(request(), NEVER)).rejects.toMatchObject({
      message,
      retryable: true,
    });
    await expect.poll(() => lab.cloud.state.servers.size).toBe(1);
    lab.cloud.state.servers.clear();
    await fails;
    await removeAll(provider);
    expect(lab.left).toEqual(EMPTY);
  });

  it('after SSH never answers; the end of the console is quoted', async () => {
    lab.cloud.guests.faults.push('no-ssh');
    const provider = lab.provider();
    const creating = provider.create(request({ timeoutMs: 6_000 }), NEVER);
    await expect(creating).rejects.toThrow(/ECONNREFUSED.*the console ends with: .* login:/);
    await removeAll(provider);
    expect(lab.left).toEqual(EMPTY);
  });

  it('after cloud-init fails', async () => {
    lab.cloud.guests.faults.push('cloud-init-fails');
    const provider = lab.provider();
    await expect(provider.create(request(), NEVER)).rejects.toThrow(/status: error/);
    expect(await provider.list({ deployment: 'ours' }, NEVER)).toMatchObject([{ unfinished: true }]);
    await removeAll(provider);
    expect(lab.left).toEqual(EMPTY);
  });
});

describe('a deletion', () => {
  it('that fails in the middle is completed by the next one', async () => {
    const provider = lab.provider({ floatingNetwork: 'public', bootVolumeGb: 1 });
    const server = await provider.create(request(), NEVER);
    const steps = [
      { service: 'compute', path: /^servers\/[^/]+$/ },
      { service: 'network', path: /^floatingips/ },
      { service: 'network', path: /^ports/ },
      { service: 'compute', path: /^os-keypairs/ },
    ] as const;
    for (const step of steps) {
      const fault = { ...step, method: 'DELETE', answer: { status: 500 } } as const;
      lab.cloud.faults.add({ ...fault, when: 'after' });
      await expect(provider.delete(server, 'ours', NEVER)).rejects.toMatchObject({ retryable: true });
    }
    await removeAll(provider);
    expect(lab.left).toEqual(EMPTY);
  });

  it('of a server that someone else has deleted removes the rest', async () => {
    const provider = lab.provider({ floatingNetwork: 'public' });
    const server = await provider.create(request(), NEVER);
    lab.cloud.state.servers.delete(server.id);
    expect(await provider.list({ deployment: 'ours' }, NEVER)).toMatchObject([{ unfinished: true }]);
    await provider.delete(server, 'ours', NEVER);
    expect(lab.left).toEqual(EMPTY);
  });

  it('waits for a volume that is still being filled', async () => {
    const provider = lab.provider({ bootVolumeGb: 1 });
    const server = await provider.create(request(), NEVER);
    const [volume] = [...lab.cloud.state.volumes.values()];
    lab.cloud.state.servers.delete(server.id);
    Object.assign(volume ?? {}, { status: 'creating', serverId: null });
    await removeAll(provider);
    expect(lab.left).toEqual(EMPTY);
  });
});

describe('an outage', () => {
  it.each(['compute', 'network'] as const)('of %s is no empty list', async (service) => {
    const provider = lab.provider();
    await provider.create(request(), NEVER);
    await lab.cloud.service(service).close();
    const listing = provider.list({ deployment: 'ours' }, AbortSignal.timeout(1_500));
    await expect(listing).rejects.toBeInstanceOf(OperationError);
    await lab.cloud.service(service).open();
    expect(await provider.list({ deployment: 'ours' }, NEVER)).toHaveLength(1);
  });

  it('of the credentials is no deletion', async () => {
    const provider = lab.provider();
    const server = await provider.create(request(), NEVER);
    const { state } = lab.cloud;
    state.tokens.clear();
    state.applicationCredential = false;
    const refused = { kind: 'unauthorized', status: 404, hint: /application credential/ };
    for (const work of [
      provider.delete(server, 'ours', NEVER),
      provider.list({ deployment: 'ours' }, NEVER),
    ]) {
      const error: unknown = await work.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ ...refused, hint: expect.stringMatching(refused.hint) });
    }
    expect(lab.left.servers).toHaveLength(1);
  });

  it('of Cinder does not keep a server that has no volume', async () => {
    const provider = lab.provider();
    const server = await provider.create(request(), NEVER);
    await lab.cloud.service('volume').close();
    await provider.delete(server, 'ours', NEVER);
    expect(lab.left).toEqual(EMPTY);
  });
});
