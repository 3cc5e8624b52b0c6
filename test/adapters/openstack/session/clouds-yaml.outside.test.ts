import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type CredentialSource,
  readCredentials,
} from '../../../../src/adapters/openstack/session/credentials.ts';

let home: string;
let directory: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'clouds-'));
  directory = join(home, 'cwd');
  mkdirSync(directory);
});
afterEach(() => rmSync(home, { recursive: true }));

function put(path: string, text: string): string {
  const file = join(home, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

const read = (source: CredentialSource, environment: Readonly<Record<string, string>> = {}) =>
  readCredentials(source, { environment: { HOME: home, ...environment }, directory });
const lab = { cloud: 'lab' };
const cloud = (auth: string, more = '') => `clouds:\n  lab:\n    auth: {${auth}}\n${more}`;
const LOGIN = 'auth_url: "http://h:5000", username: ci, password: 0123, project_name: demo';

describe('a cloud', () => {
  test('in the current directory takes precedence over that of the user', () => {
    put('.config/openstack/clouds.yaml', cloud(`${LOGIN}, user_domain_id: d2, project_domain_name: D3`));
    expect(read(lab)).toMatchObject({
      authUrl: 'http://h:5000/v3',
      region: null,
      interface: 'public',
      // Digits stay text, as written.
      secrets: ['0123'],
      request: {
        identity: {
          methods: ['password'],
          password: { user: { name: 'ci', domain: { id: 'd2' }, password: '0123' } },
        },
        scope: { project: { name: 'demo', domain: { name: 'D3' } } },
      },
    });
    put('cwd/clouds.yaml', cloud(LOGIN.replace('//h', '//here')));
    expect(read(lab).authUrl).toBe('http://here:5000/v3');
    const named = put('elsewhere.yaml', cloud(LOGIN.replace('//h', '//named')));
    expect(read(lab, { OS_CLIENT_CONFIG_FILE: named }).authUrl).toBe('http://named:5000/v3');
    put('xdg/openstack/clouds.yml', cloud(LOGIN));
    rmSync(join(directory, 'clouds.yaml'));
    expect(read(lab, { XDG_CONFIG_HOME: join(home, 'xdg') }).source).toContain('/xdg/openstack/clouds.yml');
  });

  test('is merged with its profile and with secure.yaml', () => {
    put('cwd/clouds.yaml', 'clouds: {lab: {profile: acme, auth: {username: ci, project_id: p}}}');
    put('cwd/secure.yaml', 'clouds: {lab: {auth: {password: s3cret}}}');
    put(
      '.config/openstack/clouds-public.yaml',
      'public-clouds: {acme: {region_name: R, auth: {auth_url: "https://a/v3"}}}',
    );
    expect(read(lab)).toMatchObject({ authUrl: 'https://a/v3', region: 'R', secrets: ['s3cret'] });
  });

  test('without a name is the only one, or the one in OS_CLOUD', () => {
    put('cwd/clouds.yaml', cloud(LOGIN));
    expect(read({ cloud: null }).source).toContain('clouds.lab');
    put('cwd/clouds.yaml', `${cloud(LOGIN)}  other:\n    auth: {${LOGIN}, region_name: O}\n`);
    expect(read({ cloud: null }, { OS_CLOUD: 'other' }).region).toBe('O');
    expect(() => read({ cloud: null })).toThrow(/has 2 clouds/);
  });

  test('with several regions uses the named one, else the first', () => {
    const regions = 'regions: [one, {name: two, values: {interface: internal}}]';
    put('cwd/clouds.yaml', `clouds: {lab: {auth: {${LOGIN}}, ${regions}}}`);
    expect(read(lab)).toMatchObject({ region: 'one', interface: 'public' });
    put('cwd/clouds.yaml', `clouds: {lab: {auth: {${LOGIN}}, region_name: two, ${regions}}}`);
    expect(read(lab)).toMatchObject({ region: 'two', interface: 'internal' });
    put('cwd/clouds.yaml', `clouds: {lab: {auth: {${LOGIN}}, region_name: three, ${regions}}}`);
    expect(() => read(lab)).toThrow(/does not list three; it lists: one, two/);
  });

  test('is read from JSON, and with a merge key', () => {
    put(
      'cwd/clouds.json',
      JSON.stringify({ clouds: { lab: { auth: { auth_url: 'http://j', token: 't', project_id: 'p' } } } }),
    );
    expect(read(lab)).toMatchObject({ method: 'token', secrets: ['t'] });
    put('cwd/clouds.yaml', `base: &base {${LOGIN}}\nclouds: {lab: {auth: {<<: *base, username: merged}}}`);
    expect(read(lab).request).toMatchObject({ identity: { password: { user: { name: 'merged' } } } });
  });

  test.each([
    [cloud(LOGIN.replace('password: 0123, ', '')), /has no password/, /OS_PASSWORD/],
    [cloud(LOGIN, '    verify: false\n'), /clouds\.lab\.verify turns off the verification/, /cacert: FILE/],
    [cloud(LOGIN, '    insecure: "True"\n'), /clouds\.lab\.insecure turns/, /cacert/],
    [cloud(LOGIN, '    auth_type: v3oidcpassword\n'), /v3oidcpassword/, /v3applicationcredential/],
    [cloud(`${LOGIN}, system_scope: all`), /system_scope is not supported/, /application credential/],
    [cloud(LOGIN, '    identity_api_version: "2"\n'), /identity_api_version is 2/, /set it to 3/],
    [
      cloud(LOGIN, '    compute_endpoint_override: http://x\n'),
      /compute_endpoint_override overrides/,
      /catalogue/,
    ],
    [cloud(LOGIN, '    interface: private\n'), /interface is private/, /public, internal or admin/],
    [cloud(LOGIN, '    cacert: ca.pem\n'), /cacert is not an absolute path/, /absolute path/],
    [cloud(LOGIN, '    profile: ovh\n'), /names the profile ovh/, /auth_url/],
    [cloud(LOGIN.replace('http://h:5000', 'ftp://h')), /auth_url is not an http/, /5000/],
    ['clouds: {other: {}}', /has no cloud lab; it has: other/, /name/],
    ['clouds: []', /is not a mapping/, /NAME/],
    ['clouds:\n  lab: {auth: {a: b}\n', /clouds\.yaml:3:\d+ is not valid YAML/, /syntax/],
  ])('%# is refused, with its position and a hint', (text, message, hint) => {
    put('cwd/clouds.yaml', text);
    expect(() => read(lab)).toThrow(
      expect.objectContaining({
        message: expect.stringMatching(message),
        hint: expect.stringMatching(hint),
        retryable: false,
      }),
    );
  });

  test('in a missing file is refused', () => {
    expect(() => read(lab, { OS_CLIENT_CONFIG_FILE: join(home, 'none') })).toThrow(/does not exist/);
    expect(() => readCredentials({ openrc: join(home, 'openrc') })).toThrow(/cannot be read/);
  });

  test('is read from the environment', () => {
    const variables = {
      OS_AUTH_URL: 'https://e:5000/v2.0',
      OS_USERNAME: 'u',
      OS_PASSWORD: 'p',
      OS_TENANT_NAME: 't',
    };
    expect(read({ environment: true }, { ...variables, OS_CACERT: '~/ca.pem' })).toMatchObject({
      authUrl: 'https://e:5000/v3',
      caFile: join(home, 'ca.pem'),
      request: { scope: { project: { name: 't', domain: { id: 'default' } } } },
    });
    expect(() => read({ environment: true }, { ...variables, OS_INSECURE: '1' })).toThrow(
      /OS_INSECURE turns/,
    );
  });
});
