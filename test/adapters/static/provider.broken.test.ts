/** Hosts and a state directory that fail in ways that a real sshd does not show. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NEVER } from '../../fixtures/never.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { FakeHosts } from './fake-access.ts';

let hosts: FakeHosts;
beforeEach(() => {
  hosts = new FakeHosts();
});
afterEach(() => hosts.close());

test('a host whose lease could not be written is leased to the next job', async () => {
  const provider = hosts.provider(['a']);
  const leases = join(hosts.stateDir, 'leases');
  writeFileSync(leases, 'a file in place of the directory');
  await expect(provider.create(serverRequest(), NEVER)).rejects.toMatchObject({ operation: 'lease host' });
  rmSync(leases);
  expect((await provider.create(serverRequest(), NEVER)).address).toContain('/a/');
});
