/** Leases under concurrency: one task releases a host while another takes it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Lease, Leases } from '../../../src/adapters/static/lease.ts';

/** The race occurs within some tens of rounds. */
const ROUNDS = 200;

let stateDir: string;
beforeAll(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'sos-ci-lease-'));
});
afterAll(() => rmSync(stateDir, { recursive: true }));

test('a host that is being released can be taken at once', async () => {
  const leases = new Leases(stateDir, 'lab');
  const lease: Lease = {
    host: 'node1',
    server: { provider: 'lab', id: 's', name: 's', address: '' },
    owner: { deployment: 'd', job: 'j', attempt: 1 },
    createdAt: 1,
    ready: true,
  };
  expect(await leases.take(lease)).toBe(true);
  for (let round = 0; round < ROUNDS; round += 1) {
    const [, taken] = await Promise.all([leases.release('node1'), leases.take(lease)]);
    if (!taken) expect(await leases.take(lease)).toBe(true);
  }
});
