/** A preset is expanded to ordinary keys; an error in a preset names its position in the file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { configShowCommand } from '../../../src/cli/commands/config-check.ts';
import { ConfigError } from '../../../src/config/file/config-error.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { fakeIo } from '../../fakes/io.ts';

const dir = mkdtempSync(join(tmpdir(), 'sos-preset-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = join(dir, 'sos-ci.yaml');
writeFileSync(join(dir, 'key'), 'key');
writeFileSync(join(dir, 'secrets.yml'), 'acme_password: hunter22\n');

const HEAD = `gerrit: {host: localhost, user: acme-ci, key: ./key}
providers: {lab: {type: static, hosts: {n1: {host: localhost}}, ssh: {user: ci, key: ./key}}}
`;
const FULL = `${HEAD}jobs:
  acme-iscsi:
    preset: devstack-tempest
    project: openstack/cinder
    backend:
      name: acme
      driver: cinder.volume.drivers.acme.AcmeDriver
      options: {san_ip: 192.0.2.10, san_password: '{{ acme_password }}'}
    stacking: {timeout: 90m, variables: {devstack_localrc: {API_WORKERS: 2}}}
    testing: {results: {expected: 100}}
    tempest: {regex: '(volume|^cinder_tempest_plugin)', concurrency: 4, plugins: [cinder-tempest-plugin]}
    variables:
      devstack_localrc: {LIBVIRT_TYPE: qemu}
      devstack_local_conf: {post-config: {$CINDER_CONF: {DEFAULT: {debug: true}}}}
      tempest_concurrency: 2
    variableFiles: [secrets.yml]
    logs: [more]
    limits: {setupAttempts: 3}
`;

function show(text: string, options: object) {
  writeFileSync(file, text);
  const io = fakeIo();
  const code = configShowCommand(io, file, 'acme-iscsi', options);
  return { code, out: io.stdout() };
}

function mistakes(text: string): readonly string[] {
  writeFileSync(file, text);
  try {
    loadConfig(file);
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message.split('\n').map((line) => line.replaceAll(`${dir}/`, ''));
    throw error;
  }
  return [];
}

test('show --expand prints the job with its preset expanded', async () => {
  const { code, out } = show(FULL, { expand: true });
  await expect(out).toMatchFileSnapshot('../../golden/preset.yaml');
  expect(code).toBe(0);
});

test('the output of show --expand is an equivalent configuration', () => {
  const { out } = show(FULL, { expand: true });
  const short = loadConfig(file).jobs;
  writeFileSync(file, `${HEAD}${out}`);
  expect(loadConfig(file).jobs).toEqual(short);
});

test('show prints the job as the file has it', () => {
  expect(show(FULL, {}).out).toContain('preset: devstack-tempest\n');
  expect(JSON.parse(show(FULL, { json: true }).out)).toMatchObject({ preset: 'devstack-tempest' });
});

test('show rejects a job that does not exist', () => {
  writeFileSync(file, FULL);
  expect(() => configShowCommand(fakeIo(), file, 'acme', {})).toThrow('has no job acme');
});

test('a preset needs only a project', () => {
  const { out } = show(`${HEAD}jobs: {acme-iscsi: {preset: devstack-tempest, project: p}}`, { expand: true });
  expect(out).toContain('playbook: sos_ci.openstack.stacking\n');
  expect(out).toContain('format: subunit\n');
});

test('each error names its position', () => {
  expect(
    mistakes(`${HEAD}jobs:
  a:
    preset: devstack-tempset
    project: p
  b:
    preset: devstack-tempest
    project: p
    testing: {command: ['true']}
    backend: {name: 'a]', driver: 7}
    tempest: {regexp: volume}
    variables: {not a name: 1}
  c:
    project: p
    testing: {command: ['true'], exitCodeIsResult: true}
    tempest: {regex: volume}
`),
  ).toMatchInlineSnapshot(`
    [
      "sos-ci.yaml:5:13: jobs.a.preset: is not known; write devstack-tempest",
      "sos-ci.yaml:10:14: jobs.b.testing: has command and playbook; a stage runs one of them: remove the other",
      "sos-ci.yaml:11:21: jobs.b.backend.name: must be letters, digits, dashes and underscores, and begin with a letter",
      "sos-ci.yaml:11:35: jobs.b.backend.driver: must be a string, not the number 7; put it in quotes",
      "sos-ci.yaml:12:15: jobs.b.tempest.regexp: unknown key; did you mean "regex"?",
      "sos-ci.yaml:13:16: jobs.b.variables: holds "not a name", which is not the name of a variable; use letters, digits and _",
      "sos-ci.yaml:17:5: jobs.c.tempest: belongs to a preset; add preset: devstack-tempest, or write it under stacking and testing",
    ]
  `);
});

test('a number that would be changed is an error', () => {
  expect(
    mistakes(`${HEAD}jobs:
  a:
    preset: devstack-tempest
    project: p
    backend:
      name: acme
      options: {powermax_array: 000197800123, wwn: 0x5000097398001234, quoted: '007', zero: 0, ratio: 0.5}
    variables: {devstack_localrc: {ARRAY: -12345678901234567890, mode: 0o644, huge: 1e30, limit: 9007199254740991}}
`),
  ).toMatchInlineSnapshot(`
    [
      "sos-ci.yaml:9:33: the number 000197800123 would become 197800123; put it in quotes",
      "sos-ci.yaml:9:52: the number 0x5000097398001234 would become 5764617915110266000; put it in quotes",
      "sos-ci.yaml:10:43: the number -12345678901234567890 would become -12345678901234567000; put it in quotes",
    ]
  `);
});
