/** Servers of OpenStack: the contract of the provider, the resources of a server, and the state after a crash. */
import { afterEach, beforeEach, expect } from 'vitest';
import { parseHostKey } from '../../../src/adapters/openssh/host-key.ts';
import { fingerprint } from '../../../src/adapters/openssh/known-hosts.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { providerContract } from '../../contracts/provider.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { CloudSetup, EMPTY, removeAll, request } from './cloud-setup.ts';

const { describe, it } = needs('sshd');

describe('of the embedded cloud', () =>
  providerContract('openstack', async () => {
    const setup = await CloudSetup.start();
    return { provider: setup.provider(), close: () => setup.stop() };
  }));

describe('a server of OpenStack', () => {
  let setup: CloudSetup;
  beforeEach(async () => {
    setup = await CloudSetup.start();
  });
  afterEach(() => setup.stop());

  it('has an address in each network and a floating one, which are deleted with it', async () => {
    const provider = setup.provider({ networks: ['private', 'storage'], floatingNetwork: 'public' });
    const server = await provider.create(request(), NEVER);
    const { state } = setup.cloud;
    const [floating] = [...state.floating.values()];
    expect(server.address).toContain(`@${floating?.address}:`);
    expect([...state.ports.values()].map(({ deviceId }) => deviceId)).toEqual([server.id, server.id]);
    await provider.delete(server, 'ours', NEVER);
    expect(setup.left).toEqual(EMPTY);
  });

  it('is reached in a network that assigns the address while the server starts', async () => {
    const { state } = setup.cloud;
    state.deferAddresses = true;
    const server = await setup.provider().create(request(), NEVER);
    const [port] = [...state.ports.values()];
    expect(server.address).toContain(`@${port?.address}:`);
  });

  it('boots from a volume that carries our mark, which is deleted with it', async () => {
    const provider = setup.provider({ bootVolumeGb: 10 });
    const { name, owner } = request();
    const server = await provider.create(request({ name, owner }), NEVER);
    const [volume] = [...setup.cloud.state.volumes.values()];
    expect(volume).toMatchObject({ size: 10, serverId: server.id, deleteWithServer: true });
    expect(volume?.metadata).toEqual({ 'sos-ci': `sos-ci ours ${owner.job} 1 ${name}` });
    await provider.delete(server, 'ours', NEVER);
    expect(setup.left).toEqual(EMPTY);
  });

  it('lists and deletes a volume of an earlier configuration, as a resource of its server', async () => {
    const { name, owner } = request();
    await setup.provider({ bootVolumeGb: 10 }).create(request({ name, owner }), NEVER);
    const { state } = setup.cloud;
    // Nova did not delete it with its server.
    for (const [id, volume] of state.volumes) {
      state.volumes.set(id, { ...volume, serverId: null, deleteWithServer: false, status: 'available' });
    }
    const provider = setup.provider();
    const [listed] = await provider.list({ deployment: 'ours' }, NEVER);
    expect(listed?.resources?.map(({ kind }) => kind)).toEqual(['server', 'port', 'volume', 'key-pair']);
    const [volumeId] = [...state.volumes.keys()];
    expect(listed?.resources).toContainEqual({ kind: 'volume', id: volumeId, createdAt: expect.any(Number) });
    if (listed !== undefined) await provider.delete(listed.server, 'ours', NEVER);
    expect(setup.left).toEqual(EMPTY);
  });

  it('gets user data, zone, config drive and security groups', async () => {
    const { state } = setup.cloud;
    const { id } = state.addSecurityGroup('egress', '');
    const userDataFile = setup.file('#!/bin/sh\ntrue\n');
    const zone = { availabilityZone: 'nova', configDrive: true };
    const provider = setup.provider({ userDataFile, securityGroups: ['egress'], ...zone });
    await provider.create(request(), NEVER);
    const [server] = [...state.servers.values()];
    expect(server).toMatchObject(zone);
    expect(Buffer.from(server?.userData ?? '', 'base64').toString()).toBe('#!/bin/sh\ntrue\n');
    expect([...state.ports.values()].map(({ securityGroups }) => securityGroups)).toEqual([[id]]);
  });

  it('gets the scheduler hints', async () => {
    const schedulerHints = { group: '0b4a1f6e-server-group' };
    await setup.provider({ schedulerHints }).create(request(), NEVER);
    const [server] = [...setup.cloud.state.servers.values()];
    expect(server?.schedulerHints).toEqual(schedulerHints);
  });

  it('uses the key pair of the user, and never deletes it', async () => {
    const publicKey = await setup.publicKey();
    setup.cloud.state.keyPairs.set('acme', { name: 'acme', publicKey, created: '' });
    const provider = setup.provider({ keyPair: 'acme' });
    const server = await provider.create(request(), NEVER);
    expect([...setup.cloud.state.servers.values()]).toMatchObject([{ keyName: 'acme' }]);
    await provider.delete(server, 'ours', NEVER);
    expect(setup.left).toEqual({ ...EMPTY, keyPairs: ['acme'] });
  });

  it('boots an image that lists omit, by its id', async () => {
    const { state } = setup.cloud;
    const image = state.addImage('ci-node', state.images[0]?.adminUser ?? null);
    image.hidden = true;
    await setup.provider({ image: image.id }).create(request(), NEVER);
    expect([...state.servers.values()]).toMatchObject([{ imageId: image.id }]);
    const named = setup.provider({ image: image.name }).create(request(), NEVER);
    await expect(named).rejects.toThrow('there is no image ci-node');
  });

  it('logs in as os_admin_user of the image, else as ubuntu', async () => {
    const [, debian] = setup.cloud.state.images;
    expect(debian).toMatchObject({ name: 'debian-12', adminUser: null });
    expect(await setup.loginUser({ image: 'debian-12' })).toBe('ubuntu');
    const server = await setup.provider().create(request(), NEVER);
    expect(server.address).toContain(`${setup.cloud.state.images[0]?.adminUser}@`);
  });

  it('is refused when its host key is not the one on the console', async () => {
    setup.cloud.guests.faults.push('other-host-key-on-console');
    const provider = setup.provider();
    await expect(provider.create(request(), NEVER)).rejects.toMatchObject({
      operation: 'verify host key',
      retryable: false,
    });
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });

  it('is refused when cloud-init prints another host key after the first login', async () => {
    setup.cloud.guests.faults.push('other-host-key-on-console-later');
    const provider = setup.provider();
    await expect(provider.create(request(), NEVER)).rejects.toMatchObject({ operation: 'verify host key' });
    await removeAll(provider);
    expect(setup.left).toEqual(EMPTY);
  });

  it.each(['the login works', 'another one is refused'])(
    'is verified by the next host key when the first was cut on the console: %s',
    async (what) => {
      const { state } = setup.cloud;
      state.buildReads = Number.POSITIVE_INFINITY;
      const creating = setup.provider().create(request(), NEVER);
      await expect.poll(() => state.servers.size).toBe(1);
      const [server] = [...state.servers.values()];
      const { hostKey = '' } = (await server?.guest) ?? {};
      const next = what === 'the login works' ? hostKey : makeKeyPair('').publicKey;
      const lines = [`${hostKey.slice(0, 50)}[   21.5] random: crng init done`, next];
      const [begin, end] = ['-----BEGIN SSH HOST KEY KEYS-----', '-----END SSH HOST KEY KEYS-----'];
      Object.assign(server ?? {}, { console: `${[begin, ...lines, end].join('\n')}\n` });
      state.buildReads = 0;
      if (next === hostKey) await creating;
      else await expect(creating).rejects.toThrow(fingerprint(parseHostKey(next) ?? Buffer.alloc(0)));
    },
  );

  it('is trusted at the first login when the console shows no host key', async () => {
    setup.cloud.guests.faults.push('no-host-key-on-console');
    const provider = setup.provider();
    const server = await provider.create(request(), NEVER);
    expect(await provider.list({ deployment: 'ours' }, NEVER)).toMatchObject([{ server }]);
  });
});

describe('a foreign resource', () => {
  it('is never listed or deleted, even if it is similar', async () => {
    const setup = await CloudSetup.start();
    try {
      const { state } = setup.cloud;
      const provider = setup.provider({ floatingNetwork: 'public', bootVolumeGb: 1 });
      const server = await provider.create(request(), NEVER);
      const texts = [
        '',
        'sos-ci',
        'sos-ci ours',
        'sos-ci ours job-1 1',
        'sos-ci ours job-1 one sos-ci-1',
        'sos-ci ours2 job-1 1 sos-ci-1',
        'sos-ci theirs job-1 1 sos-ci-1',
        'my sos-ci ours job-1 1 sos-ci-1',
        'ours job-1 1 sos-ci-1',
        'SOS-CI ours job-1 1 sos-ci-1',
      ];
      setup.addSimilarResources(server, texts);
      const before = setup.left;
      await removeAll(provider);
      expect(setup.left).toEqual({
        servers: before.servers.slice(1),
        ports: before.ports.slice(1),
        floating: before.floating.slice(1),
        volumes: before.volumes.slice(1),
        keyPairs: before.keyPairs.slice(1),
      });
      expect([...state.servers.values()].every(({ deleting }) => !deleting)).toBe(true);
      expect(setup.left.servers).toHaveLength(texts.length);
    } finally {
      await setup.stop();
    }
  });

  it('is not deleted by its id', async () => {
    const setup = await CloudSetup.start();
    try {
      const provider = setup.provider();
      const server = await provider.create(request(), NEVER);
      const [record] = [...setup.cloud.state.servers.values()];
      for (const metadata of [{}, { 'sos-ci': 'sos-ci ours' }, { 'sos-ci': 'sos-ci theirs a 1 b' }]) {
        delete record?.metadata['sos-ci'];
        Object.assign(record?.metadata ?? {}, metadata);
        const refused = provider.delete(server, 'ours', NEVER);
        await expect(refused).rejects.toMatchObject({ operation: 'delete server', retryable: false });
      }
      expect(setup.left.servers).toHaveLength(1);
    } finally {
      await setup.stop();
    }
  });
});

describe('a crash between two calls', () => {
  /** Key pair, two ports, floating IP, volume, server, metadata. */
  const CHANGES = 7;

  it.each([false, true])('leaves only resources that are found again; answer lost: %s', async (lost) => {
    const setup = await CloudSetup.start();
    try {
      const change = { networks: ['private', 'storage'], floatingNetwork: 'public', bootVolumeGb: 1 };
      for (let completed = 0; completed < CHANGES; completed += 1) {
        const killed = new AbortController();
        // From here on, each call that changes something hangs, as for a process that was killed.
        const reached = setup.cloud.faults.stopAfterChanges(completed, { lost });
        const creating = setup.provider(change).create(request(), killed.signal);
        const ended = creating.catch((error: unknown) => error);
        await reached;
        killed.abort();
        await ended;
        setup.cloud.faults.clear();
        const provider = setup.provider(change);
        const listed = await provider.list({ deployment: 'ours' }, NEVER);
        expect(listed.length, `after ${completed} calls`).toBe(completed === 0 && !lost ? 0 : 1);
        const finished = completed === CHANGES - 1 && lost;
        expect(listed.every(({ unfinished }) => unfinished === (finished ? undefined : true))).toBe(true);
        await removeAll(provider);
        expect(setup.left, `after ${completed} calls`).toEqual(EMPTY);
      }
    } finally {
      await setup.stop();
    }
  });
});
