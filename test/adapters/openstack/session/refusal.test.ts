/** The kind of each refusal of a service. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CloudRequest } from '../../../../src/adapters/openstack/session/session.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { failure, json, KeystoneFixture } from './keystone-fixture.ts';

let fixture: KeystoneFixture;
beforeEach(async () => {
  fixture = await KeystoneFixture.start();
});
afterEach(() => fixture.stop());

const POST: CloudRequest = { method: 'POST', path: 'servers', body: { server: {} } };

describe('an answer', () => {
  const quota = (message: string) => ({ forbidden: { code: 403, message } });
  test.each([
    [403, quota('Quota exceeded for cores: Requested 1, but already used 0 of 0 cores'), 'quota'],
    [403, quota('Quota exceeded, too many key pairs.'), 'quota'],
    [403, quota('... over the limit ...'), 'quota'],
    [
      403,
      quota(
        'Project 5a2f is over a limit for [Resource servers is over limit of 2 due to current usage 2 and delta 1]',
      ),
      'quota',
    ],
    [403, quota('Resource servers is over limit of 2 due to current usage 2 and delta 1'), 'quota'],
    [
      403,
      quota("Policy doesn't allow os_compute_api:servers:create:forced_host to be performed."),
      'forbidden',
    ],
    [
      409,
      { NeutronError: { type: 'OverQuota', message: "Quota exceeded for resources: ['port'].", detail: '' } },
      'quota',
    ],
    [
      409,
      {
        NeutronError: {
          type: 'IpAddressGenerationFailure',
          message: 'No more IP addresses available on network 7c1d.',
          detail: '',
        },
      },
      'quota',
    ],
    [409, { conflictingRequest: { code: 409, message: 'Instance is not ready' } }, 'conflict'],
    [413, { overLimit: { code: 413, message: 'VolumeLimitExceeded', retryAfter: '0' } }, 'quota'],
    [404, { itemNotFound: { code: 404, message: 'No image found<br /><br />' } }, 'not-found'],
    [400, { badRequest: { code: 400, message: 'Invalid key_name provided.' } }, 'bad-request'],
    [406, { errors: [{ detail: 'Version 2.999 is not supported by the API.' }] }, 'bad-request'],
    [429, { overLimit: { code: 429, message: 'Too fast' } }, 'rate-limited'],
    [500, { computeFault: { code: 500, message: 'Unexpected API Error.' } }, 'unavailable'],
  ] as const)('%i %j is %s, and a POST is sent once', async (status, body, kind) => {
    fixture.answer = ({ response }) => json(response, status, body);
    const error = await failure(fixture.session.request('compute', POST, NEVER));
    const [inner] = Object.values(body);
    const detail = Array.isArray(inner) ? inner[0].detail : (inner as { message: string }).message;
    const text = detail.replaceAll('<br />', '');
    expect(error).toMatchObject({
      kind,
      status,
      message: `answers ${status}: ${text}`,
      operation: 'POST servers',
    });
    expect(error).toHaveProperty('mayHaveHappened', status === 429 || status >= 500);
    expect(fixture.calls).toHaveLength(1);
  });
});
