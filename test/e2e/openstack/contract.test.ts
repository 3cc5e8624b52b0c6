/** The contract of providers on the real OpenStack. */
import { afterAll, expect } from 'vitest';
import { buildProviders } from '../../../src/app/build-providers.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { type ProviderHarness, providerContract } from '../../contracts/provider.ts';
import { NEVER } from '../../fixtures/never.ts';
import type { TestCase } from '../gerrit/case.ts';
import { CloudTestbed } from './cloud-testbed.ts';

const testbed = new CloudTestbed();
let testCase: TestCase | null = null;
// A daemon finds it in its working directory.
process.env.OS_CLIENT_CONFIG_FILE = testbed.cloud.cloudsYaml;
afterAll(() => {
  delete process.env.OS_CLIENT_CONFIG_FILE;
});

async function start(): Promise<ProviderHarness> {
  testCase ??= await testbed.newCase();
  const { set, nodes } = buildProviders(
    loadConfig(testCase.config),
    undefined,
    { raise: async () => {} },
    null,
  );
  const provider = set.providers.get('lab');
  if (provider === undefined) throw new Error('the configuration has no provider lab');
  const close = async () => {
    for (const deployment of ['ours', 'theirs'])
      for (const { server } of await provider.list({ deployment }, NEVER))
        await provider.delete(server, deployment, NEVER);
    await nodes.close();
    expect(await testbed.differences()).toEqual([]);
  };
  return { provider, close };
}

providerContract('real OpenStack', start, 180_000);
