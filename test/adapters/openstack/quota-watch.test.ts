/** The reports of the provider on the quotas of the project. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { QuotaWatch } from '../../../src/adapters/openstack/quota-watch.ts';
import { OperationError } from '../../../src/errors.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { CloudSetup, request } from './cloud-setup.ts';

const { describe, it } = needs('sshd');

const AWAY = new OperationError({
  operation: 'o',
  target: 't',
  message: 'away',
  retryable: true,
  hint: 'h',
});
const headroom = (servers: number) => ({ servers, limitedBy: `cores: ${servers} left` });

test('a change is reported once, and an outage changes nothing', async () => {
  const reports: string[] = [];
  const answers = [
    { own: 0, headroom: headroom(3) },
    { own: 1, headroom: { ...headroom(2), limitedBy: 'cores: 3 left' } },
    AWAY,
    { own: 1, headroom: headroom(0) },
    { own: 0, headroom: headroom(9) },
  ];
  const read = async () => {
    const answer = answers.shift();
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error('read after the end');
    return answer;
  };
  const changed = (servers: number | null, why: string) =>
    servers === null || reports.push(`${servers} ${why}`) < 2;
  const watch = new QuotaWatch({ read, changed });
  for (let check = 0; check < 5; check += 1) await watch.check();
  expect(reports).toEqual(['3 cores: 3 left', '1 cores: 0 left']);
  expect(answers).toHaveLength(1);
});

test.each([
  ['the same report', async () => ({ own: 0, headroom: headroom(3) })],
  ['a failed read', () => Promise.reject(AWAY)],
])('ends after %s when no report is wanted any more', async (_what, next) => {
  let [wanted, reads] = [true, 0];
  const read = async () => {
    reads += 1;
    return reads === 1 ? { own: 0, headroom: headroom(3) } : next();
  };
  const watch = new QuotaWatch({ read, changed: () => wanted });
  await watch.check();
  wanted = false;
  for (let check = 0; check < 3; check += 1) await watch.check();
  expect(reads).toBe(2);
});

describe('the quota of a cloud', () => {
  let setup: CloudSetup;
  beforeEach(async () => {
    setup = await CloudSetup.start();
  });
  afterEach(() => setup.stop());

  it('is reported at once, and counts our servers as available', async () => {
    setup.cloud.state.quotas.cores = 2;
    const reports: [number, string][] = [];
    const report = (servers: number | null, why: string) => {
      if (servers !== null) reports.push([servers, why]);
      return true;
    };
    const first = setup.provider({}, { onCapacity: report });
    await expect.poll(() => reports).toEqual([[2, 'cores: 0 of 2 used']]);
    await first.create(request(), NEVER);
    const second = setup.provider({}, { onCapacity: report });
    await second.list({ deployment: 'ours' }, NEVER);
    await second.create(request(), NEVER);
    // The refused third server triggers a report before the next minute.
    await expect(second.create(request(), NEVER)).rejects.toMatchObject({ kind: 'quota' });
    await expect.poll(() => reports.at(-1)).toEqual([2, 'cores: 2 of 2 used']);
  });

  it('counts the servers of another provider in the same project as used', async () => {
    setup.cloud.state.quotas.cores = 2;
    await setup.provider({ name: 'other' }).create(request(), NEVER);
    const reports: (number | null)[] = [];
    const onCapacity = (servers: number | null) => reports.push(servers) > 0;
    const provider = setup.provider({}, { onCapacity });
    await expect.poll(() => reports).toEqual([1]);
    await provider.create(request(), NEVER);
    await expect(provider.create(request(), NEVER)).rejects.toMatchObject({ kind: 'quota' });
    await expect.poll(() => reports).toEqual([1, 1]);
  });
});
