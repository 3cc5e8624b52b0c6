/** Which OpenStack providers a janitor has to respect after the configuration was reloaded. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildProviders } from '../../src/app/build-providers.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { ProviderUse } from '../../src/engine/operations/provider-registry.ts';
import { FakeAlarms } from '../fakes/alarms.ts';

const IDLE: ProviderUse = { jobs: 0, holders: 0 };
const BUSY: ProviderUse = { jobs: 1, holders: 1 };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sos-ci-providers-'));
  for (const name of ['key', 'node']) writeFileSync(join(root, name), name);
});
afterEach(() => rmSync(root, { recursive: true }));

/** @param clouds the cloud of each OpenStack provider, by name */
function config(clouds: Readonly<Record<string, string>>): Config {
  const rest = { image: 'a', flavor: 'b', networks: ['c'], ssh: { key: './node', user: 'u' } };
  const openstack = Object.entries(clouds).map(([name, cloud]) => [
    name,
    { type: 'openstack', cloud, ...rest },
  ]);
  const providers = { here: { type: 'local' }, ...Object.fromEntries(openstack) };
  const testing = { command: ['a'], exitCodeIsResult: true };
  const file = {
    gerrit: { host: 'localhost', user: 'acme-ci', key: './key' },
    providers,
    jobs: { acme: { project: 'p', provider: 'here', testing } },
  };
  writeFileSync(join(root, 'sos-ci.yaml'), JSON.stringify(file));
  return loadConfig(join(root, 'sos-ci.yaml'));
}

test('all that are in use, with the cloud in which they create servers', () => {
  const { set, define, openStack } = buildProviders(
    config({ a: 'one', b: 'one' }),
    undefined,
    new FakeAlarms(),
    null,
  );
  const clouds = () =>
    openStack()
      .map(({ name, cloud }) => `${name} ${cloud}`)
      .sort();
  expect(clouds()).toEqual(['a one', 'b one']);
  // One is moved and the other one removed, while both have jobs.
  set.define(define(config({ a: 'two' })), () => BUSY);
  expect(clouds()).toEqual(['a one', 'b one']);
  set.reconcile(() => IDLE);
  expect(clouds()).toEqual(['a two']);
});
