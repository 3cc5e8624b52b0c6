/** What `tempest cleanup` could delete, as sos-ci lists it: all pages, or an error. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Calls } from '../../../src/adapters/openstack/calls.ts';
import { listForCleanup } from '../../../src/adapters/openstack/cleanup-listing.ts';
import { NEVER } from '../../fixtures/never.ts';
import { failure, json, KeystoneFixture, service } from './session/keystone-fixture.ts';

let fixture: KeystoneFixture;
beforeEach(async () => {
  fixture = await KeystoneFixture.start();
  fixture.catalogue = [...fixture.catalogue, service('identity', `${fixture.server.url}/keystone`)];
});
afterEach(() => fixture.stop());

/** Answers by path and query, without the services' roots. */
function answers(table: Readonly<Record<string, unknown>>): void {
  fixture.answer = ({ url, response }) => {
    const path = url.replace(
      /^\/(keystone\/v3|compute\/v2\.1|network\/v2\.0|image\/v2|volume\/v3\/p1)\//,
      '',
    );
    if (Object.hasOwn(table, path)) json(response, 200, table[path]);
    else json(response, 404, { error: path });
  };
}

const list = (...kinds: string[]) => listForCleanup(new Calls(fixture.session), kinds, NEVER);
const ids = (...names: string[]) => names.map((id) => ({ id }));
const next = [{ rel: 'next', href: 'http://cloud.example/' }];

describe('lists', () => {
  test('all pages of each service', async () => {
    answers({
      'volumes?limit=500': { volumes: ids('v1', 'v2'), volumes_links: next },
      'volumes?limit=500&marker=v2': { volumes: ids('v3') },
      'images?limit=500': { images: ids('i1'), next: '/v2/images?marker=i1' },
      'images?limit=500&marker=i1': { images: ids('i2') },
      'flavors?is_public=None&limit=500': { flavors: ids('1'), flavors_links: next },
      'flavors?is_public=None&limit=500&marker=1': { flavors: ids('2') },
      'os-keypairs?limit=500': { keypairs: [{ keypair: { name: 'k 1' } }], keypairs_links: next },
      'os-keypairs?limit=500&marker=k+1': { keypairs: [] },
      'os-server-groups?offset=0': { server_groups: ids('g1', 'g2') },
      'os-server-groups?offset=2': { server_groups: ids('g3') },
      'os-server-groups?offset=3': { server_groups: [] },
      users: { users: ids('u1'), links: { next: 'http://cloud.example/' }, truncated: true },
      'users?marker=u1': { users: ids('u2'), links: { next: null } },
      projects: { projects: ids('p1'), links: { next: null } },
    });
    const kinds = ['volumes', 'images', 'flavors', 'keypairs', 'server_groups', 'users', 'projects'];
    expect(await list(...kinds)).toEqual({
      volumes: ['v1', 'v2', 'v3'],
      images: ['i1', 'i2'],
      flavors: ['1', '2'],
      keypairs: ['k 1'],
      server_groups: ['g1', 'g2', 'g3'],
      users: ['u1', 'u2'],
      projects: ['p1'],
    });
  });

  test('only the ports and security groups that Tempest deletes', async () => {
    const ports = [
      { id: 'a', device_owner: '' },
      { id: 'b', device_owner: 'compute:nova' },
      { id: 'c', device_owner: 'network:dhcp' },
    ];
    answers({
      'ports?limit=500': { ports },
      'security-groups?limit=500': {
        security_groups: [
          { id: 'a', name: 'default' },
          { id: 'b', name: 'tempest' },
        ],
      },
    });
    expect(await list('ports', 'security_groups')).toEqual({ ports: ['a', 'b'], security_groups: ['b'] });
  });
});

test.each([
  [
    'users',
    { users: { users: ids('u1'), links: { next: null }, truncated: true } },
    'Keystone does not list all',
  ],
  ['users', { users: { users: [{ name: 'u1' }] } }, 'an entry has no id'],
  ['projects', { projects: { users: [] } }, 'unexpected body'],
  ['volumes', {}, 'volumes?limit=500'],
  ['shares', {}, 'sos-ci does not know this kind'],
  ['constructor', {}, 'sos-ci does not know this kind'],
])('fails when %s cannot be listed completely: %j', async (kind, table, message) => {
  answers(table);
  expect((await failure(list(kind))).message).toContain(message);
});

test.each(['users', 'server_groups', 'volumes'])('fails when the pages of %s do not end', async (kind) => {
  let page = 0;
  fixture.answer = ({ response }) => {
    page += 1;
    json(response, 200, { [kind]: ids(`id${page}`), [`${kind}_links`]: next, links: { next: 'more' } });
  };
  expect((await failure(list(kind))).message).toContain('more than 40');
});

test.each([403, 500])('fails when a service answers %i', async (status) => {
  fixture.answer = ({ response }) => json(response, status, {});
  expect(await failure(list('roles'))).toMatchObject({ status });
});
