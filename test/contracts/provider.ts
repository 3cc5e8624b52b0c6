/** The contract of providers: a cloud, this host or a fake. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EffectOf, Provider } from '../../src/engine/ports/adapters.ts';
import { OperationError } from '../../src/errors.ts';
import type { Ownership, Server } from '../../src/machines/model/domain.ts';
import { NEVER } from '../fixtures/never.ts';

export interface ProviderHarness {
  readonly provider: Provider;
  close(): Promise<void>;
}

/** @param timeoutMs for one test */
export function providerContract(
  name: string,
  start: () => Promise<ProviderHarness>,
  timeoutMs = 60_000,
): void {
  describe(`provider contract: ${name}`, { timeout: timeoutMs }, () => {
    let harness: ProviderHarness;
    let made = 0;
    const signal = new AbortController().signal;
    const owner: Ownership = { deployment: 'ours', job: 'job-1', attempt: 1 };

    beforeEach(async () => {
      harness = await start();
    });
    afterEach(() => harness.close());

    function request(of: Ownership = owner): EffectOf<'createServer'> {
      made += 1;
      const { name: provider } = harness.provider;
      return {
        type: 'createServer',
        key: 'create',
        provider,
        name: `sos-ci-${made}`,
        owner: of,
        timeoutMs,
      };
    }
    const list = (of: { deployment: string; job?: string }) => harness.provider.list(of, NEVER);

    test('creates a server that carries its owner', async () => {
      const wanted = request();
      const server = await harness.provider.create(wanted, signal);
      expect(server).toMatchObject({ name: wanted.name, provider: harness.provider.name });
      const [listed, ...others] = await list({ deployment: 'ours' });
      expect(listed).toMatchObject({ server, owner });
      expect(listed?.unfinished).toBeUndefined();
      // A provider that lists the resources of a server includes the server itself.
      const { resources = [{ kind: 'server', id: server.id }] } = listed ?? {};
      expect(resources).toContainEqual(expect.objectContaining({ kind: 'server', id: server.id }));
      expect(others).toEqual([]);
    });

    test('lists nothing before anything was created', async () => {
      expect(await list({ deployment: 'ours' })).toEqual([]);
    });

    test('lists by deployment and job, oldest first, including several of one owner', async () => {
      const other = { ...owner, job: 'job-2' };
      const otherDeployment = { ...owner, deployment: 'theirs' };
      const servers: Server[] = [];
      for (const of of [owner, other, otherDeployment, owner])
        servers.push(await harness.provider.create(request(of), signal));
      const ids = async (of: { deployment: string; job?: string }) =>
        (await list(of)).map(({ server }) => servers.findIndex(({ id }) => id === server.id));
      expect(await ids({ deployment: 'ours' })).toEqual([0, 1, 3]);
      expect(await ids({ deployment: 'ours', job: 'job-1' })).toEqual([0, 3]);
      expect(await ids({ deployment: 'theirs' })).toEqual([2]);
      expect(await ids({ deployment: 'nobody' })).toEqual([]);
    });

    test('deletes one server, and deleting it again is not an error', async () => {
      const first = await harness.provider.create(request(), signal);
      const second = await harness.provider.create(request(), signal);
      await harness.provider.delete(first, 'ours', NEVER);
      await harness.provider.delete(first, 'ours', NEVER);
      expect((await list({ deployment: 'ours' })).map(({ server }) => server.id)).toEqual([second.id]);
    });

    test('reports whether a server no longer exists', async () => {
      const server = await harness.provider.create(request(), signal);
      expect(await harness.provider.whyGone(server, NEVER)).toBeNull();
      await harness.provider.delete(server, 'ours', NEVER);
      expect(await harness.provider.whyGone(server, NEVER)).toMatch(/^(was|is) /);
    });

    test('describes a server', async () => {
      const server = await harness.provider.create(request(), signal);
      const { type, system } = await harness.provider.describe(server, NEVER);
      expect(type).toMatch(/^[a-z]+$/);
      expect(system).toEqual({
        os: expect.any(String),
        kernel: expect.any(String),
        cpus: expect.any(Number),
        memoryBytes: expect.any(Number),
      });
    });

    test('opens a server for people; opening it again gives the same login, and the server stays', async () => {
      const server = await harness.provider.create(request(), signal);
      const login = await harness.provider.open(server, NEVER);
      expect(login.command).toMatch(/^(ssh|cd) /);
      expect(login.directory).toMatch(/^\//);
      expect(await harness.provider.open(server, NEVER)).toEqual(login);
      expect((await list({ deployment: 'ours' })).map(({ server: { id } }) => id)).toEqual([server.id]);
    });

    test('rejects deleting a server of another deployment', async () => {
      const server = await harness.provider.create(request(), signal);
      const refused = await harness.provider.delete(server, 'theirs', NEVER).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(OperationError);
      expect(refused).toHaveProperty('retryable', false);
      expect(await list({ deployment: 'ours' })).toHaveLength(1);
    });

    test('creates nothing after an abort', async () => {
      const refused = harness.provider.create(request(), AbortSignal.abort());
      await expect(refused).rejects.toBeInstanceOf(OperationError);
      expect(await list({ deployment: 'ours' })).toEqual([]);
    });

    test('lists and deletes nothing after an abort', async () => {
      const server = await harness.provider.create(request(), signal);
      const aborted = AbortSignal.abort();
      const listed = harness.provider.list({ deployment: 'ours' }, aborted);
      await expect(listed).rejects.toBeInstanceOf(OperationError);
      const deleted = harness.provider.delete(server, 'ours', aborted);
      await expect(deleted).rejects.toBeInstanceOf(OperationError);
      await expect(harness.provider.whyGone(server, aborted)).rejects.toBeInstanceOf(OperationError);
      expect(await list({ deployment: 'ours' })).toHaveLength(1);
    });
  });
}
