/** A reload of the configuration: what changes, what stays, and what is recorded. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { current } from '../../src/adapters/evidence/redact/redact.ts';
import { ConfigReloader } from '../../src/app/reload-config.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ProviderRegistry } from '../../src/engine/operations/provider-registry.ts';
import { createLog, type SecretValues } from '../../src/log.ts';
import { FakeProvider } from '../fakes/provider.ts';
import { CiHarness } from '../scenarios/ci-harness.ts';
import { created } from '../scenarios/gerrit-events.ts';

const OPERATOR = { who: 'alice', why: 'a new branch' };
const GERRIT = 'gerrit: {host: review.example.org, user: acme-ci, key: ./key}';
const LOCAL = 'providers: {local: {allowUntrustedCode: true, slots: 1}}';
const job = (name: string) =>
  `  ${name}: {project: openstack/cinder, testing: {command: ['true'], exitCodeIsResult: true}}\n`;

let dir: string;
let file: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-reload-'));
  file = join(dir, 'sos-ci.yaml');
  writeFileSync(join(dir, 'key'), 'key');
});
beforeEach(() => write());
afterAll(() => rmSync(dir, { recursive: true }));

function write({ gerrit = GERRIT, providers = LOCAL, more = '', jobs = ['acme-dsvm'] } = {}): void {
  writeFileSync(file, `${gerrit}\n${providers}\n${more}\njobs:\n${jobs.map(job).join('')}`);
}

/** A daemon's parts, started with the current file. */
async function started() {
  const ci = new CiHarness({ slots: 1 });
  await ci.start();
  const config = loadConfig(file);
  const { engine, admission } = ci.daemon;
  const define = ({ providers }: typeof config) =>
    providers.map(({ name, slots, type }) => ({
      name,
      slots,
      text: type,
      make: () => new FakeProvider({ name, slots }),
    }));
  const refreshed: string[] = [];
  const secrets: SecretValues = { values: config.redact };
  const reload = new ConfigReloader({
    config,
    overrides: {},
    secrets,
    log: ci.log,
    store: ci.store,
    clock: ci.clock,
    engine,
    admission,
    janitors: ci.daemon.janitors,
    providers: { set: new ProviderRegistry(define(config)), define },
    onLimits: () => refreshed.push('limits'),
  });
  reload.recordStart();
  return { ci, reload, refreshed, secrets };
}

const record = (ci: CiHarness) => ci.store.config();

describe('a valid file', () => {
  test('applies to all events and jobs from then on', async () => {
    const { ci, reload, refreshed } = await started();
    expect(ci.daemon.admission.jobNames).toEqual(['acme-dsvm']);
    write({ jobs: ['acme-dsvm', 'acme-fc'], more: 'projects: {openstack/cinder: {concurrency: 2}}' });
    expect(await reload.reload(OPERATOR)).toEqual({
      changed: ['jobs.acme-fc', 'projects.openstack/cinder'],
      restart: [],
      problems: [],
    });
    expect(ci.daemon.admission.jobNames).toEqual(['acme-dsvm', 'acme-fc']);
    expect(ci.daemon.engine.slots.limits.projects).toMatchObject({ 'openstack/cinder': { concurrency: 2 } });
    expect(refreshed).toEqual(['limits']);
    expect(record(ci)).toMatchObject({
      file,
      by: 'alice',
      why: 'a new branch',
      changed: ['jobs.acme-fc', 'projects.openstack/cinder'],
    });
  });

  test('leaves earlier jobs with their old configuration', async () => {
    const { ci, reload } = await started();
    ci.daemon.engine.slots.setLimits({ ...ci.daemon.engine.slots.limits, slots: { local: 0 } });
    ci.emit(created());
    await ci.untilIdle();
    const id = ci.jobs()[0]?.id ?? '';
    const before = ci.store.stored(id)?.context.spec;
    write({ more: 'report: {label: Verified}', jobs: ['other'] });
    await reload.reload(OPERATOR);
    expect(ci.store.stored(id)?.context.spec).toEqual(before);
    await ci.run();
    expect(ci.jobs().map(({ name, verdict }) => `${name} ${verdict}`)).toEqual(['acme-dsvm SUCCESS']);
  });

  test('redacts its secrets at once, in the log and in evidence, and keeps redacting those of the start', async () => {
    writeFileSync(join(dir, 'old'), 'hunter22');
    writeFileSync(join(dir, 'new'), 'correct horse');
    write({ more: 'redact: [{file: ./old}]' });
    const { reload, secrets } = await started();
    const lines: string[] = [];
    const destination = { write: (line: string) => lines.push(line) };
    const log = createLog({ level: 'info', destination, secrets });
    const published = current(secrets);
    write({ more: 'redact: [{file: ./new}]' });
    expect(await reload.reload(OPERATOR)).toEqual({ changed: ['redact'], restart: [], problems: [] });
    log.info({}, 'hunter22 and correct horse');
    expect(lines.join()).toContain('"[redacted] and [redacted]"');
    expect(published().text('hunter22 and correct horse')).toBe('[redacted] and [redacted]');
  });

  test('lists the changes that need a restart, each time', async () => {
    const { reload } = await started();
    write({ more: 'git: {maxCacheSize: 7GB}' });
    const answer = { changed: [], restart: ['git.maxCacheSize'], problems: [] };
    expect(await reload.reload(OPERATOR)).toEqual(answer);
    expect(await reload.reload(OPERATOR)).toEqual(answer);
  });
});

describe('an invalid file', () => {
  test('changes nothing, and is reported with positions, until a valid one is read', async () => {
    const { ci, reload, refreshed } = await started();
    write({ jobs: ['acme-fc'], more: 'reprot: {}' });
    const { changed, problems } = await reload.reload(OPERATOR);
    expect(changed).toEqual([]);
    expect(problems).toEqual([expect.stringContaining(`${file}:3:1: reprot: unknown key`)]);
    expect(ci.daemon.admission.jobNames).toEqual(['acme-dsvm']);
    expect(refreshed).toEqual([]);
    expect(record(ci)).toMatchObject({ by: '', problems, rejectedAt: expect.any(Number) });
    write();
    expect(await reload.reload(OPERATOR)).toEqual({ changed: [], restart: [], problems: [] });
    expect(record(ci)).toMatchObject({ by: 'alice', problems: [], rejectedAt: null });
  });

  test('may be missing', async () => {
    const { ci, reload } = await started();
    rmSync(file);
    const { problems } = await reload.reload(OPERATOR);
    expect(problems).toEqual([expect.stringContaining(file)]);
    expect(ci.daemon.admission.jobNames).toEqual(['acme-dsvm']);
  });

  test.each([
    ['an alias within its value', 'testing: {playbook: ./p.yml, variables: &v {<<: *v, A: 1}}', 'of itself'],
    ['a value that no check expects', 'provider: {toString: 1}, testing: {playbook: ./p.yml}', 'Cannot con'],
  ])('may have %s', async (_what, text, problem) => {
    const { ci, reload } = await started();
    writeFileSync(file, `${GERRIT}\njobs: {acme-dsvm: {project: p, ${text}}}\n`);
    const { problems } = await reload.reload(OPERATOR);
    expect(problems).toEqual([expect.stringMatching(`^${file}.*${problem}`)]);
    expect(record(ci)).toMatchObject({ problems });
  });

  test('is checked against the connected Gerrit, not the one in the new file', async () => {
    const { ci, reload } = await started();
    write({ gerrit: GERRIT.replace('review.example.org', 'localhost'), providers: '' });
    const { problems } = await reload.reload(OPERATOR);
    expect(problems).toEqual([expect.stringMatching(/providers\.local: .*review\.example\.org/)]);
    expect(record(ci)).toMatchObject({ problems });
  });
});

test('concurrent reloads run one after the other', async () => {
  const { reload } = await started();
  write({ jobs: ['acme-dsvm', 'acme-fc'] });
  const answers = await Promise.all([reload.reload(OPERATOR), reload.reload({ who: 'SIGHUP', why: '' })]);
  expect(answers.map(({ changed }) => changed)).toEqual([['jobs.acme-fc'], []]);
});
