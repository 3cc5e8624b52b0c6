/** Converts Zuul jobs to ours, and reports what cannot be converted. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { fromZuulCommand } from '../../../src/cli/commands/init.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { fakeIo } from '../../fakes/io.ts';

const dir = mkdtempSync(join(tmpdir(), 'sos-zuul-'));
afterAll(() => rmSync(dir, { recursive: true }));
const file = join(dir, 'zuul.yaml');

const ZUUL = `- job:
    name: cinder-base
    parent: devstack-tempest
    timeout: 10800
    required-projects:
      - opendev.org/openstack/cinder-tempest-plugin
      - {name: openstack/os-brick, override-checkout: stable/2026.1}
    irrelevant-files: &irrelevant
      - ^.*\\.rst$
      - doc/
      - ^api-ref/|releasenotes/
      - ^(?!x)y
    vars: &vars
      tox_envlist: all
      tempest_test_regex: volume
      devstack_localrc: {CINDER_ENABLED_BACKENDS: 'lvm:lvmdriver-1', ADMIN_PASSWORD: secretadmin}
- job:
    name: acme-iscsi
    parent: cinder-base
    voting: no
    nodeset: acme-node
    files: ^cinder/volume/
    vars:
      <<: *vars
      tempest_concurrency: 4
      devstack_localrc: {CINDER_ENABLED_BACKENDS: 'acme:acme', HOST_IP: "{{ hostvars['controller'].ip }}"}
      devstack_local_conf: {post-config: {$CINDER_CONF: {acme: {san_password: hunter22}}}}
- job: {name: loop, parent: pool}
- job: {name: pool, parent: loop}
- secret: {name: acme, data: {password: !encrypted/pkcs1-oaep [x]}}
- project: {name: openstack/cinder, check: {jobs: [acme-iscsi]}}
`;

function read(job: string | undefined, options: { text?: string; project?: string } = {}): string {
  writeFileSync(file, options.text ?? ZUUL);
  const io = fakeIo();
  fromZuulCommand(io, file, job, options.project);
  return io.stdout();
}

test('a job includes its parents from the same file', async () => {
  const out = read('acme-iscsi');
  await expect(out).toMatchFileSnapshot('../../golden/from-zuul.yaml');
  writeFileSync(join(dir, 'key'), 'key');
  const config = join(dir, 'sos-ci.yaml');
  writeFileSync(
    config,
    `gerrit: {host: localhost, user: u, key: ./key}
providers: {lab: {type: static, hosts: {n1: {host: localhost}}, ssh: {user: ci, key: ./key}}}
${out}`,
  );
  expect(loadConfig(config).jobs[0]?.spec).toMatchObject({ name: 'acme-iscsi', voting: false });
});

test('the project can be given', () => {
  expect(read('acme-iscsi', { project: 'openstack/os-brick' })).toContain('project: openstack/os-brick\n');
});

const BOMB = `- &a [x, x, x, x, x, x, x, x, x, x]
${[...'bcdefgh'].map((name, index) => `- &${name} [${Array(10).fill(`*${'abcdefg'[index]}`).join(', ')}]`).join('\n')}
`;
test.each([
  ['no job', undefined, {}, 'no job is named'],
  ['an unknown job', 'acme', {}, 'its jobs: cinder-base, acme-iscsi, loop, pool'],
  ['a cycle of parents', 'loop', {}, 'is its own parent'],
  ['an invalid name', 'a b', {}, "the job's name"],
  ['no project', 'a', { text: '- job: {name: a}' }, 'add --project NAME'],
  ['no list', 'a', { text: 'job: {name: a}' }, 'is not a list'],
  ['no YAML', 'a', { text: '- job: {name: a' }, 'zuul.yaml:1:'],
  ['aliases that multiply', 'a', { text: BOMB }, 'write the values out'],
  ['an endless file', 'a', { text: `- ${'x'.repeat(1024 * 1024)}` }, 'is larger than 1 MB'],
])('%s is rejected', (_what, job, options, message) => {
  expect(() => read(job, options)).toThrow(message);
});

test('text of the file cannot control the terminal or add a line to the configuration', () => {
  const text = '- job: {name: a, "node\\nset: 1": "\\e[31m\\nx: y", vars: {"a\\e": 1}}\n';
  const out = read('a', { text, project: 'p' });
  expect(out).not.toContain('\u001b');
  expect(out.split('\n').every((line) => line === '' || /^(# | *[a-z"]|jobs:)/.test(line))).toBe(true);
  expect(out).not.toMatch(/^(set|x):/m);
});
