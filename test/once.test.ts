import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { takeLock } from '../src/adapters/sqlite/lock.ts';
import { loadConfig } from '../src/config/load.ts';
import { lockFile } from '../src/maintenance.ts';
import { runOnce } from '../src/once.ts';
import { FakeLog } from './fakes/log.ts';

test('beside a daemon a job by hand is refused before Gerrit is asked, and enqueue is suggested', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sos-ci-once-'));
  writeFileSync(join(folder, 'key'), 'not used\n', { mode: 0o600 });
  writeFileSync(
    join(folder, 'sos-ci.yaml'),
    `gerrit: {host: 127.0.0.1, port: 9, user: acme-ci, key: key, knownHosts: key}
stateDir: .
jobs:
  acme-dsvm:
    project: openstack/cinder
    testing: {command: [./run-tests.sh], results: results.tap}
`,
  );
  const lock = takeLock(lockFile(folder), 0);
  const options = { job: 'acme-dsvm', change: 912345, patchset: 3, log: new FakeLog(), onOutput: () => {} };
  await expect(runOnce(loadConfig(join(folder, 'sos-ci.yaml')), options)).rejects.toMatchObject({
    message: expect.stringMatching(/^another daemon runs on this database: pid \d+, started /),
    hint: 'have the daemon run it: sos-ci enqueue 912345,3 acme-dsvm',
  });
  lock.release();
  rmSync(folder, { recursive: true });
});
