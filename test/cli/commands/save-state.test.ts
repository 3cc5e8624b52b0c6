/** `sos-ci janitors save` with a real process and a Keystone on loopback. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { saveStateCommand } from '../../../src/cli/commands/save-state.ts';
import {
  json,
  KeystoneFixture,
  PASSWORD,
  service,
} from '../../adapters/openstack/session/keystone-fixture.ts';
import { fakeIo } from '../../fakes/io.ts';

const STATE = { users: { u1: 'ci' }, projects: { p1: 'demo' }, roles: { r1: 'admin', r2: 'member' } };

let root: string;
let cloud: KeystoneFixture;
/** What Keystone lists. */
let existing: Readonly<Record<string, readonly string[]>>;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'sos-ci-save-'));
  cloud = await KeystoneFixture.start();
  cloud.catalogue = [...cloud.catalogue, service('identity', `${cloud.server.url}/keystone/v3`)];
  existing = { users: ['u1'], projects: ['p1'], roles: ['r1', 'r2'] };
  cloud.answer = ({ url, response }) => {
    const kind = url.split('/').at(-1) ?? '';
    json(response, 200, { [kind]: existing[kind]?.map((id) => ({ id })) });
  };
  write('tempest', `#!/bin/sh\nprintf %s '${JSON.stringify(STATE)}' >saved_state.json\n`, 0o755);
  write(
    'tempest.conf',
    `[auth]\nadmin_username = ci\nadmin_project_name = demo\n[identity]\nuri_v3 = ${cloud.server.url}/identity/v3\n`,
  );
  write(
    'openrc',
    `export OS_AUTH_URL=${cloud.server.url}/identity\nexport OS_USERNAME=ci OS_PASSWORD=${PASSWORD} OS_PROJECT_NAME=demo\n`,
  );
  write('key', 'a key\n');
  write('sos-ci.yaml', CONFIG);
});
afterEach(async () => {
  await cloud.stop();
  rmSync(root, { recursive: true, force: true, maxRetries: 10 });
});

const CONFIG = `stateDir: ./state
gerrit: {host: localhost, user: acme-ci, key: ./key}
providers: {local: {}}
backends: {a: 1}
janitors:
  tidy: {backends: [a], tempest: {program: ./tempest, config: ./tempest.conf, openrc: ./openrc, project: demo}}
  array: {backends: [a], command: [clean]}
jobs: {acme: {project: p, testing: {command: [a], exitCodeIsResult: true}}}
`;

const write = (name: string, text: string, mode = 0o600) => writeFileSync(join(root, name), text, { mode });
const savedFile = () => join(root, 'state/saved-states/tidy.json');

async function save(name = 'tidy', flags: { readonly json?: boolean } = {}) {
  const io = fakeIo();
  const code = await saveStateCommand(io, join(root, 'sos-ci.yaml'), name, flags);
  return { code, text: io.stdout() };
}

test('prints what was saved, and what that means', async () => {
  expect(await save()).toEqual({
    code: 0,
    text: `saved: users 1, projects 1, roles 2
janitor tidy will delete what is made in this cloud from now on; repeat this after each change that is meant to stay
`,
  });
  expect(JSON.parse(readFileSync(savedFile(), 'utf8'))).toMatchObject({
    authUrl: `${cloud.server.url}/identity/v3`,
    projectId: 'p1',
    region: 'RegionOne',
    savedState: JSON.stringify(STATE),
  });
});

test('as JSON', async () => {
  const { code, text } = await save('tidy', { json: true });
  expect(code).toBe(0);
  expect(JSON.parse(text)).toMatchObject({ janitor: 'tidy', resources: { users: 1, projects: 1, roles: 2 } });
});

test.each([
  ['users', 1],
  ['roles', 501],
])('saves nothing when Tempest has not listed all %s', async (kind, more) => {
  const others = Array.from({ length: more }, (_, index) => `more-${index}`);
  existing = { ...existing, [kind]: [...(existing[kind] ?? []), ...others] };
  await expect(save()).rejects.toThrow(`Tempest did not save all that exists: ${kind} ${more}`);
  expect(existsSync(savedFile())).toBe(false);
});

test('saves nothing when sos-ci cannot list all', async () => {
  const { answer } = cloud;
  cloud.answer = (call) => (call.url.endsWith('/roles') ? json(call.response, 403, {}) : answer(call));
  await expect(save()).rejects.toMatchObject({ status: 403 });
  expect(existsSync(savedFile())).toBe(false);
});

test('saves nothing in the cloud of a provider', async () => {
  const provider =
    '{type: openstack, openrc: ./openrc, image: a, flavor: b, networks: [c], ssh: {key: ./node, user: u}}';
  write('node', 'another key\n');
  write('sos-ci.yaml', CONFIG.replace('providers: {local: {}}', `providers: {vm: ${provider}}`));
  await expect(save()).rejects.toThrow('the provider vm creates its servers in this cloud');
  expect(existsSync(savedFile())).toBe(false);
});

test('refuses an unknown janitor, and one that does not run tempest cleanup', async () => {
  await expect(save('tidi')).rejects.toMatchObject({
    message: 'there is no janitor "tidi"',
    hint: 'did you mean tidy?',
  });
  await expect(save('array')).rejects.toThrow('this janitor does not run tempest cleanup');
});
