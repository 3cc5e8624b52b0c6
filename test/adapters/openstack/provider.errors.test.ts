/** How the provider handles each way in which a cloud refuses, fails, or gives invalid answers. */
import { afterEach, beforeEach, expect } from 'vitest';
import type { OpenStackProviderConfig } from '../../../src/config/config.ts';
import { OperationError } from '../../../src/errors.ts';
import { sampled } from '../../fixtures/effort.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { realClock } from '../gerrit/site.ts';
import { CloudSetup, EMPTY, removeAll, request } from './cloud-setup.ts';

const { describe, it } = needs('sshd');
const HTML = '<html><body><h1>Sign in</h1></body></html>';

let setup: CloudSetup;
beforeEach(async () => {
  setup = await CloudSetup.start();
});
afterEach(() => setup.stop());

describe('a server is created', () => {
  const lostAnswers = [
    ['answers 500', { status: 500 }],
    ['answers 504 with a page', { status: 504, body: HTML, headers: { 'content-type': 'text/html' } }],
    ['answers 429', { status: 429, headers: { 'retry-after': '1' } }],
    ['answers 202 with a page', { status: 202, body: HTML }],
    ['sends half an answer', 'cut'],
    ['closes the connection', 'close'],
  ] as const;
  it.each(sampled(lostAnswers))(
    'and found by its mark when Nova %s although it exists',
    async (_what, answer) => {
      setup.cloud.faults.add({
        service: 'compute',
        method: 'POST',
        path: /^servers$/,
        answer,
        when: 'after',
      });
      const provider = setup.provider();
      const server = await provider.create(request(), NEVER);
      expect(setup.cloud.changes.filter((call) => call === 'POST compute servers')).toHaveLength(1);
      await provider.delete(server, 'ours', NEVER);
      expect(setup.left).toEqual(EMPTY);
    },
  );

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
  it.each(sampled(passing))('although %s', async (_what, service, answer) => {
    setup.cloud.faults.add({ service, method: 'GET', answer });
    await setup.provider().create(request(), NEVER);
    expect(setup.left.servers).toHaveLength(1);
  });

  it('although the token expires while it boots', async () => {
    setup.cloud.state.buildReads = 2;
    const creating = setup.provider().create(request(), NEVER);
    await expect.poll(() => setup.cloud.state.servers.size).toBe(1);
    setup.cloud.state.tokens.clear();
    await creating;
    expect(setup.cloud.state.tokens.size).toBe(1);
  });

  it('although the answer to its last call is lost', async () => {
    const path = /metadata$/;
    setup.cloud.faults.add({ service: 'compute', path, answer: { status: 500 }, when: 'after' });
    const provider = setup.provider();
    const server = await provider.create(request(), NEVER);
    expect(await provider.list({ deployment: 'ours' }, NEVER)).toMatchObject([{ server }]);
  });
});

describe('an unreachable server', () => {
  it('is lost if it is deleted, and its host key is forgotten', async () => {
    const provider = setup.provider();
    const server = await provider.create(request(), NEVER);
    expect(setup.pinned).toEqual([`${server.provider}-${server.id}`]);
    setup.cloud.state.servers.clear();
    expect(await provider.whyGone(server, NEVER)).toBe('was deleted');
    expect(setup.pinned).toEqual([]);
  });

  it('is lost if it is shut off', async () => {
    const provider = setup.provider();
    const server = await provider.create(request(), NEVER);
    for (const one of setup.cloud.state.servers.values()) one.status = 'SHUTOFF';
    expect(await provider.whyGone(server, NEVER)).toBe('is shut off');
  });

  const doubtful = [
    ['Nova answers 404 to everything', { status: 404 }],
    ['Nova answers 404 with a page to everything', { status: 404, body: HTML }],
    ['Nova closes the connection', 'close'],
  ] as const;
  it.each(sampled(doubtful))('is not lost if %s', async (_what, answer) => {
    const provider = setup.provider();
    const server = await provider.create(request(), NEVER);
    setup.cloud.faults.add({ service: 'compute', answer, times: 100 });
    await expect(provider.whyGone(server, NEVER)).rejects.toBeInstanceOf(OperationError);
  });

  it('is not lost if Nova answers 404 but lists it', async () => {
    const provider = setup.provider();
    const server = await provider.create(request(), NEVER);
    setup.cloud.faults.add({ service: 'compute', path: /^servers\/[^/]{36}$/, answer: { status: 404 } });
    expect(await provider.whyGone(server, NEVER)).toBeNull();
  });
});

interface Refusal {
  readonly after: string;
  readonly prepare?: (setup: CloudSetup) => void;
  readonly config?: Partial<OpenStackProviderConfig>;
  readonly error: Readonly<Record<string, unknown>>;
}
const quota = (name: string) => (of: CloudSetup) => void Object.assign(of.cloud.state.quotas, { [name]: 0 });
const answers =
  (service: 'compute' | 'network', path: RegExp, status: number, body?: object | string) =>
  (of: CloudSetup) =>
    of.cloud.faults.add({
      ...{ service, method: 'POST', path },
      answer: { status, body: typeof body === 'string' ? body : JSON.stringify(body ?? {}) },
    });

describe('a server is not created, and nothing is left', () => {
  const refusals: readonly Refusal[] = [
    {
      after: 'the quota of cores (403)',
      prepare: quota('cores'),
      error: { kind: 'quota', status: 403, retryable: true, message: /Quota exceeded for cores/ },
    },
    {
      after: 'the quota of key pairs (403)',
      prepare: quota('keyPairs'),
      error: { kind: 'quota', status: 403, retryable: true },
    },
    {
      after: 'the quota of ports (409)',
      prepare: quota('ports'),
      error: { kind: 'quota', status: 409, retryable: true },
    },
    {
      after: 'the quota of floating IPs (409)',
      prepare: quota('floatingAddresses'),
      config: { floatingNetwork: 'public' },
      error: { kind: 'quota', status: 409, retryable: true },
    },
    {
      after: 'the quota of volumes (413)',
      prepare: quota('volumes'),
      config: { bootVolumeGb: 1 },
      error: { kind: 'quota', status: 413, retryable: true },
    },
    {
      after: 'a policy (403)',
      prepare: answers('compute', /^servers$/, 403, {
        forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:servers:create" },
      }),
      error: { kind: 'forbidden', retryable: false, message: /Policy doesn't allow/ },
    },
    {
      after: '503 without effect',
      prepare: answers('compute', /^servers$/, 503),
      error: { kind: 'unavailable', retryable: true },
    },
    {
      after: '429 without effect',
      prepare: answers('compute', /^servers$/, 429),
      error: { kind: 'rate-limited', retryable: true },
    },
    {
      after: '500 of Neutron',
      prepare: answers('network', /^ports$/, 500),
      error: { kind: 'unavailable', retryable: true },
    },
    {
      after: 'a page of a proxy',
      prepare: answers('compute', /^servers$/, 200, HTML),
      error: { kind: 'bad-response', retryable: true, message: /not JSON: Sign in/ },
    },
    {
      after: 'JSON of another API',
      prepare: answers('network', /^ports$/, 201, { hello: 'world' }),
      error: { kind: 'bad-response', message: /with an unexpected body: port/ },
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
      prepare: ({ cloud }) => void cloud.state.addImage('ubuntu-24.04', null),
      error: { message: /several have the name ubuntu-24.04/, retryable: false },
    },
    {
      after: 'a zone that does not exist (400)',
      config: { availabilityZone: 'moon' },
      error: { kind: 'bad-request', retryable: false },
    },
  ];
  it.each(sampled(refusals))('after $after', async ({ prepare, config, error }) => {
    prepare?.(setup);
    const provider = setup.provider(config);
    const thrown: unknown = await provider.create(request(), NEVER).catch((caught: unknown) => caught);
    if (!(thrown instanceof OperationError)) throw new Error(`no OperationError: ${thrown}`);
    for (const [field, wanted] of Object.entries(error)) {
      const found: unknown = Reflect.get(thrown, field);
      if (wanted instanceof RegExp) expect(found).toMatch(wanted);
      else expect(found).toBe(wanted);
    }
    expect(thrown.hint).not.toBe('');
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });

  it('after a fault of the scheduler, which is reported', async () => {
    setup.cloud.state.buildReads = Number.POSITIVE_INFINITY;
    const provider = setup.provider();
    const creating = provider.create(request(), NEVER);
    const message = 'No valid host was found.';
    const fails = expect(creating).rejects.toMatchObject({ message, retryable: true });
    await expect.poll(() => setup.cloud.state.servers.size).toBe(1);
    for (const server of setup.cloud.state.servers.values())
      Object.assign(server, { status: 'ERROR', fault: { code: 500, message } });
    await fails;
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });

  it('after someone else deletes it while it is built', async () => {
    setup.cloud.state.buildReads = Number.POSITIVE_INFINITY;
    const provider = setup.provider();
    const message = 'it was deleted while it started';
    const fails = expect(provider.create(request(), NEVER)).rejects.toMatchObject({
      message,
      retryable: true,
    });
    await expect.poll(() => setup.cloud.state.servers.size).toBe(1);
    setup.cloud.state.servers.clear();
    await fails;
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });

  it('after SSH never answers; the end of the console is quoted, and all of it is kept', async () => {
    setup.cloud.guests.faults.push('no-ssh');
    const kept: string[] = [];
    const provider = setup.provider(
      {},
      {
        keepConsole: async ({ job, attempt }, log) => {
          kept.push(`${job} ${attempt}: ${log}`);
        },
      },
    );
    const boot = 'systemd[1]: Started something.\n'.repeat(1_000);
    // A tenth of it is left for the console.
    const creating = provider.create(request({ timeoutMs: 20_000 }), NEVER);
    await expect.poll(() => setup.cloud.state.servers.size).toBe(1);
    for (const server of setup.cloud.state.servers.values()) server.console = `first line\n${boot}`;
    await expect(creating).rejects.toThrow(/ECONNREFUSED.*the console ends with: .* login:/);
    expect(kept).toHaveLength(1);
    expect(kept[0]).toMatch(/^job-1 1: first line\n/);
    expect(kept[0]).toContain(boot);
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });

  it('after SSH never answers; a console that hangs does not hide it', async () => {
    setup.cloud.guests.faults.push('no-ssh');
    setup.cloud.faults.add({ service: 'compute', method: 'POST', path: /action$/, nth: 2, answer: 'hang' });
    const provider = setup.provider();
    const creating = provider.create(request({ timeoutMs: 6_000 }), AbortSignal.timeout(6_000));
    await expect(creating).rejects.toThrow(/ECONNREFUSED/);
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });

  it('after it runs out of time between two steps; the error names the limit', async () => {
    let late = 0;
    const clock = { ...realClock, monotonic: () => realClock.monotonic() + late };
    const onStep = (step: string): void => {
      if (step === 'login works') late = 60_000;
    };
    const provider = setup.provider({}, { clock, onStep });
    const message = 'not done within 54s: cloud-init has not been checked';
    const creating = provider.create(request({ timeoutMs: 60_000 }), NEVER);
    await expect(creating).rejects.toThrow(message);
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });

  it('after cloud-init fails', async () => {
    setup.cloud.guests.faults.push('cloud-init-fails');
    const provider = setup.provider();
    await expect(provider.create(request(), NEVER)).rejects.toThrow(/status: error/);
    expect(await provider.list({ deployment: 'ours' }, NEVER)).toMatchObject([{ unfinished: true }]);
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });
});

describe('a deletion', () => {
  it('that fails in the middle is completed by the next one', async () => {
    const provider = setup.provider({ floatingNetwork: 'public', bootVolumeGb: 1 });
    const server = await provider.create(request(), NEVER);
    const steps = [
      { service: 'compute', path: /^servers\/[^/]+$/ },
      { service: 'network', path: /^floatingips/ },
      { service: 'network', path: /^ports/ },
      { service: 'compute', path: /^os-keypairs/ },
    ] as const;
    for (const step of steps) {
      const fault = { ...step, method: 'DELETE', answer: { status: 500 } } as const;
      setup.cloud.faults.add({ ...fault, when: 'after' });
      await expect(provider.delete(server, 'ours', NEVER)).rejects.toMatchObject({ retryable: true });
    }
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });

  it('of a server that someone else has deleted removes the rest', async () => {
    const provider = setup.provider({ floatingNetwork: 'public' });
    const server = await provider.create(request(), NEVER);
    setup.cloud.state.servers.delete(server.id);
    expect(await provider.list({ deployment: 'ours' }, NEVER)).toMatchObject([{ unfinished: true }]);
    await provider.delete(server, 'ours', NEVER);
    expect(setup.left).toEqual(EMPTY);
  });

  it('waits for a volume that is still being filled', async () => {
    const provider = setup.provider({ bootVolumeGb: 1 });
    const server = await provider.create(request(), NEVER);
    const [volume] = [...setup.cloud.state.volumes.values()];
    setup.cloud.state.servers.delete(server.id);
    Object.assign(volume ?? {}, { status: 'creating', serverId: null });
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });
});

describe('an outage', () => {
  it.each(['compute', 'network'] as const)('of %s does not look like an empty list', async (service) => {
    const provider = setup.provider();
    await provider.create(request(), NEVER);
    await setup.cloud.service(service).close();
    const listing = provider.list({ deployment: 'ours' }, AbortSignal.timeout(1_500));
    await expect(listing).rejects.toBeInstanceOf(OperationError);
    await setup.cloud.service(service).open();
    expect(await provider.list({ deployment: 'ours' }, NEVER)).toHaveLength(1);
  });

  it('caused by revoked credentials does not look like a deletion', async () => {
    const provider = setup.provider();
    const server = await provider.create(request(), NEVER);
    const { state } = setup.cloud;
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
    expect(setup.left.servers).toHaveLength(1);
  });

  it('of Cinder does not prevent the deletion of a server without volumes', async () => {
    const provider = setup.provider();
    const server = await provider.create(request(), NEVER);
    await setup.cloud.service('volume').close();
    await provider.delete(server, 'ours', NEVER);
    expect(setup.left).toEqual(EMPTY);
  });
});
