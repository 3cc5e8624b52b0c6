/** A job's evidence from its run directories and work tree to the published page. */
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { writeConsole } from '../../../src/adapters/run/run-directory.ts';
import {
  collectRequest,
  evidenceContract,
  failureOf,
  JOB,
  publishRequest,
} from '../../contracts/evidence.ts';

import { EVIDENCE_LIMITS } from '../../fixtures/bounds.ts';
import { jobSpec } from '../../machines/facts.ts';
import { everyByte, type LocalRig, makeRig, writeAt } from '../logs/rig.ts';
import { encodePacket } from '../results/subunit/streams.ts';

evidenceContract('on this host', () => makeRig());

describe('evidence on this host', () => {
  const { signal } = new AbortController();
  let rig: LocalRig;
  beforeEach(async () => {
    rig = await makeRig();
  });
  afterEach(() => rig.close());

  test('creates a page of the tests in a subunit file, without secrets and with hostile names as text', async () => {
    const secret = 'pass&<word>"1';
    const traceback = Buffer.from(`Traceback:\n  <script>alert(1)</script> ${secret}\n`);
    const name = '<img src=x onerror=alert(1)>\u202e';
    const stream = Buffer.concat([
      encodePacket({ testId: name, status: 'inprogress', seconds: 100 }),
      encodePacket({ testId: name, fileName: 'traceback', content: traceback, mimeType: 'text/x-traceback' }),
      encodePacket({ testId: name, status: 'fail', seconds: 107 }),
      encodePacket({ testId: 'a.fine.test', status: 'success' }),
    ]);
    await writeAt(join(rig.tree, 'logs/testr.subunit.gz'), gzipSync(stream));
    const evidence = rig.start({ redact: [secret] });
    await evidence.collect(
      collectRequest({ server: rig.server, logs: ['logs'], subunit: 'logs/testr.subunit.gz' }),
      signal,
    );
    const results = { passed: 1, failed: 1, skipped: 0, failures: ['x'] };
    const url = await evidence.publish(publishRequest({ verdict: 'FAILURE', results }), signal);
    const page = (await rig.read(url, 'testr_results.html')) ?? '';
    expect(page).toContain('1 passed, 1 failed, 0 skipped.');
    expect(page).toContain(
      '<code>&lt;img src=x onerror=alert(1)&gt;\ufffd</code> <span class="note">7s</span>',
    );
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt; [redacted]\n');
    expect(page).not.toMatch(/<script|<img/);
    expect(await rig.page(url)).toContain('href="./testr_results.html"');
    expect((await rig.manifest(url)).files.map(({ path }) => path)).toContain(
      'worktree/logs/testr.subunit.gz',
    );
  });

  test.each(['./testr.subunit', 'logs//testr.subunit', '.stestr/0', 'my results'])(
    'creates that page for the file %s',
    async (subunit) => {
      await writeAt(join(rig.tree, subunit), encodePacket({ testId: 'a.fine.test', status: 'success' }));
      const evidence = rig.start();
      await evidence.collect(collectRequest({ server: rig.server, logs: [subunit], subunit }), signal);
      const url = await evidence.publish(publishRequest(), signal);
      expect(await rig.read(url, 'testr_results.html')).toContain('1 passed, 0 failed, 0 skipped.');
    },
  );

  test('publishes the configuration of the job without secrets', async () => {
    const playbook = {
      file: '/etc/sos-ci/stack.yml',
      inventory: null,
      variableFiles: [],
      variables: { devstack_localrc: { ADMIN_PASSWORD: 'k3fjw8s9', SERVICES: 'c-api', HOST: 'hunter22' } },
      confine: 'none',
    } as const;
    const configuration = jobSpec({ stacking: { playbook, timeoutMs: 1, outputLimitBytes: 1 } });
    const evidence = rig.start({ redact: ['hunter22'] });
    await evidence.collect(collectRequest({ configuration }), signal);
    const url = await evidence.publish(publishRequest(), signal);
    const published = JSON.parse((await rig.read(url, 'configuration.json')) ?? '');
    expect(published.stacking.playbook.variables.devstack_localrc).toEqual({
      ADMIN_PASSWORD: '[redacted]',
      SERVICES: 'c-api',
      HOST: '[redacted]',
    });
    expect(published.limits).toEqual(configuration.limits);
    expect(await rig.page(url)).toContain('<a href="./configuration.json.html">configuration.json</a>');
  });

  test('says how and when each stage of each attempt ended', async () => {
    const run = join(rig.stateDir, 'runs', JOB, '2', 'testing');
    await rig.writeStageLog(JOB, 1, 'stacking', 'no mirror\n');
    await writeAt(join(rig.stateDir, 'runs', JOB, '1', 'stacking', 'rc'), 'exited 7\n');
    await rig.writeStageLog(JOB, 2, 'testing', 'ok\n');
    await writeAt(join(run, 'pid'), '4242\n');
    await writeAt(join(run, 'rc'), 'timedOut\n');
    await utimes(join(run, 'pid'), 1_767_323_045, 1_767_323_045);
    await utimes(join(run, 'rc'), 1_767_323_105, 1_767_323_105);
    const owner = { deployment: 'd1', job: JOB, attempt: 2 };
    const evidence = rig.start({ now: () => Date.UTC(2026, 0, 2, 3, 6, 0) });
    await evidence.collect(collectRequest({ owner }), signal);
    const url = await evidence.publish(publishRequest({ owner }), signal);
    const manifest = await rig.manifest(url);
    expect(manifest.stages).toEqual([
      {
        attempt: 1,
        stage: 'stacking',
        end: 'exited 7',
        startedAt: null,
        endedAt: expect.stringMatching(/Z$/),
        log: 'attempt-1/stacking.log',
      },
      {
        attempt: 2,
        stage: 'testing',
        end: 'timedOut',
        startedAt: '2026-01-02T03:04:05.000Z',
        endedAt: '2026-01-02T03:05:05.000Z',
        log: 'attempt-2/testing.log',
      },
    ]);
    expect(manifest.publishedAt).toBe('2026-01-02T03:06:00.000Z');
    const page = await rig.page(url);
    expect(page).toContain('2026-01-02 03:04:05 UTC');
    expect(page).toContain('href="./attempt-2/testing.log"');
  });

  test('has the console of a server that was never ready, without secrets and within the limit', async () => {
    const owner = { deployment: 'ours', job: JOB, attempt: 2 };
    const long = 'x'.repeat(2 * 1024 ** 2);
    await writeConsole(
      rig.stateDir,
      { ...owner, attempt: 1 },
      `${long}\ncloud-init: san_password=k3fjw8s9\n`,
    );
    const evidence = rig.start();
    await evidence.collect(collectRequest({ owner, server: null }), signal);
    const url = await evidence.publish(publishRequest({ owner, verdict: 'NODE_FAILURE' }), signal);
    const log = (await rig.read(url, 'attempt-1/console.log')) ?? '';
    expect(log).toContain('cloud-init: san_password=[redacted]\n');
    expect(log.length).toBeLessThan(1024 ** 2 + 100);
    const { files, skipped } = await rig.manifest(url);
    expect(files.map(({ path }) => path)).toEqual(['attempt-1/console.log']);
    expect(skipped).toBe(0);
    await evidence.discard(JOB, 'all');
    expect(await readdir(join(rig.stateDir, 'runs'))).toEqual([]);
  });

  test('shows the end of the failed stage without secrets, and no output for a success', async () => {
    const many = Array.from({ length: 5_000 }, (_, index) => `line ${index}`).join('\n');
    await rig.writeStageLog(JOB, 1, 'stacking', 'all well\n');
    await writeAt(join(rig.stateDir, 'runs', JOB, '1', 'stacking', 'rc'), 'exited 0\n');
    await rig.writeStageLog(JOB, 1, 'testing', `${many}\nlogin hunter22\n<b>Traceback\n`);
    await writeAt(join(rig.stateDir, 'runs', JOB, '1', 'testing', 'rc'), 'exited 1\n');
    const evidence = rig.start({ redact: ['hunter22'] });
    await evidence.collect(collectRequest(), signal);
    const url = await evidence.publish(publishRequest(), signal);
    const { failedStage } = await rig.manifest(url);
    expect(failedStage).toMatchObject({ stage: 'testing', end: 'exited 1' });
    expect(failedStage?.lastLines).toHaveLength(25);
    expect(failedStage?.lastLines.slice(-3)).toEqual(['line 4999', 'login [redacted]', '<b>Traceback']);
    expect(await rig.page(url)).toMatch(
      />5000<\/a>line 4999<\/span>\n.*>5001<\/a>login \[redacted\]<\/span>\n.*>5002<\/a>&lt;b&gt;Traceback/,
    );
    const other = { deployment: 'd1', job: `${JOB.slice(0, -2)}zz`, attempt: 1 };
    await rig.writeStageLog(other.job, 1, 'testing', 'ok\n');
    await evidence.collect(collectRequest({ owner: other }), signal);
    const successUrl = await evidence.publish(publishRequest({ owner: other, verdict: 'SUCCESS' }), signal);
    expect((await rig.manifest(successUrl)).failedStage).toBeNull();
  });

  test('redacts files, packed files, names, the reason and the subject', async () => {
    await rig.writeStageLog(JOB, 1, 'testing', 'password hunter22!\n');
    await rig.writeTreeFile(JOB, 'logs/hunter22.conf', 'x');
    await writeAt(join(rig.tree, 'logs', 'testr_results.html.gz'), gzipSync('<p>hunter22</p>'));
    await writeAt(join(rig.tree, 'logs', 'all.zip'), Buffer.from('504b0304', 'hex'));
    await writeAt(join(rig.tree, 'logs', 'broken.gz'), gzipSync('hunter22'.repeat(1000)).subarray(0, 30));
    await writeAt(join(rig.tree, 'logs', 'twice.gz'), gzipSync(gzipSync('hunter22')));
    const evidence = rig.start({ redact: ['hunter22'] });
    await evidence.collect(collectRequest({ server: rig.server, logs: ['logs', 'no/hunter22'] }), signal);
    const patchset = { ...publishRequest().patchset, subject: 'use hunter22' };
    const url = await evidence.publish(publishRequest({ reason: 'saw hunter22', patchset }), signal);
    expect(await rig.read(url, 'attempt-1/testing.log')).toBe('password [redacted]!\n');
    expect(await rig.read(url, 'worktree/logs/_redacted_.conf')).toBe('x');
    const packed = await readFile(join(fileURLToPath(url), 'worktree/logs/testr_results_html.gz'));
    expect(gunzipSync(packed).toString()).toBe('<p>[redacted]</p>');
    const manifest = await rig.manifest(url);
    expect(manifest.skippedFiles).toEqual([
      { path: 'worktree/no/[redacted]', why: 'not there' },
      { path: 'worktree/logs/all.zip', why: 'packed (zip): secrets in it could not be removed' },
      {
        path: 'worktree/logs/broken.gz',
        why: 'a damaged gzip file: secrets in it could not be removed',
      },
      { path: 'worktree/logs/twice.gz', why: 'packed more than once' },
    ]);
    expect(await everyByte(fileURLToPath(url))).not.toContain('hunter22');
    expect(await readdir(join(fileURLToPath(url), 'worktree/logs'))).toEqual([
      '_redacted_.conf',
      '_redacted_.conf.html',
      'index.html',
      'testr_results_html.gz',
      'testr_results_html.gz.html',
    ]);
  });

  test('an archive bomb becomes one line in the list of skipped files', async () => {
    await writeAt(join(rig.tree, 'logs', 'bomb.gz'), gzipSync(Buffer.alloc(30_000_000)));
    const evidence = rig.start({ redact: ['hunter22'] });
    await evidence.collect(
      collectRequest({ server: rig.server, logs: ['logs'], limitBytes: 100_000 }),
      signal,
    );
    const manifest = await rig.manifest(await evidence.publish(publishRequest(), signal));
    expect(manifest.files).toEqual([]);
    expect(manifest.skippedFiles).toEqual([
      { path: 'worktree/logs/bomb.gz', why: 'unpacks to more than this job may publish' },
    ]);
  });

  test('a partial secret at the end of a truncated file is withheld', async () => {
    await rig.writeTreeFile(JOB, 'logs/a.log', `${'x'.repeat(90)}hunter22 and more`);
    const limits = { ...EVIDENCE_LIMITS, maxFileBytes: 96 };
    const evidence = rig.start({ redact: ['hunter22'], limits });
    await evidence.collect(collectRequest({ server: rig.server, logs: ['logs'] }), signal);
    const url = await evidence.publish(publishRequest(), signal);
    expect(await rig.read(url, 'worktree/logs/a.log')).toMatch(/^x+$/);
    expect((await rig.manifest(url)).files[0]).toMatchObject({ cutFrom: 107 });
  });

  test("everyone may read published files, only the daemon's user collected ones", async () => {
    await rig.writeTreeFile(JOB, 'logs/deep/a.log', 'a');
    const before = process.umask(0o077);
    try {
      const evidence = rig.start();
      await evidence.collect(collectRequest({ server: rig.server, logs: ['logs'] }), signal);
      const url = await evidence.publish(publishRequest(), signal);
      const found = await modes(rig.site);
      expect(new Set(found.directories)).toEqual(new Set([0o755]));
      expect(new Set(found.files)).toEqual(new Set([0o644]));
      expect(found.files.length).toBe(11);
      expect(url.startsWith('file:///')).toBe(true);
    } finally {
      process.umask(before);
    }
    const staged = await modes(join(rig.stateDir, 'evidence'));
    expect(new Set([...staged.directories, ...staged.files])).toEqual(new Set([0o700, 0o600]));
  });

  test('encodes the URL, and refuses names that would lead elsewhere', async () => {
    const evidence = rig.start({ url: 'https://logs.example.org/ci/' });
    await evidence.collect(collectRequest(), signal);
    for (const name of ['..', '.', '', '.hidden', 'a/b', 'a\\b', 'a\0b', '-rf', 'x'.repeat(300)]) {
      expect((await failureOf(evidence.publish(publishRequest({ name }), signal))).retryable).toBe(false);
      await failureOf(evidence.publish(publishRequest({ pipeline: name }), signal));
    }
    for (const job of ['../x', '..', '', 'a/b', '.x', 'a\0']) {
      const owner = { deployment: 'd1', job, attempt: 1 };
      await failureOf(evidence.publish(publishRequest({ owner }), signal));
      await failureOf(evidence.collect(collectRequest({ owner }), signal));
      await failureOf(evidence.discard(job, 'all'));
    }
    const patchset = { ...publishRequest().patchset, change: 7, project: '../../etc' };
    const url = await evidence.publish(publishRequest({ name: 'größe+1', patchset }), signal);
    expect(url).toBe('https://logs.example.org/ci/07/7/3/check/gr%C3%B6%C3%9Fe%2B1/01jabcdefghj/');
    expect(await readdir(rig.base)).toEqual(['logs', 'state']);
  });

  test('leaves foreign files alone, and does not follow a link', async () => {
    const evidence = rig.start();
    await evidence.collect(collectRequest(), signal);
    const parent = join(rig.site, '45', '912345', '3', 'check');
    const outside = await mkdtemp(join(tmpdir(), 'sos-ci-outside-'));
    try {
      await mkdir(parent, { recursive: true });
      await symlink(outside, join(parent, 'acme-dsvm'));
      expect((await failureOf(evidence.publish(publishRequest(), signal))).retryable).toBe(false);
      expect(await readdir(outside)).toEqual([]);
      await rm(join(parent, 'acme-dsvm'));
      const job = join(parent, 'acme-dsvm');
      await writeAt(join(job, '01jabcdefghj', 'precious'), 'foreign');
      await writeAt(join(job, JOB, 'manifest.json'), '{"version":1,"job":"another","files":[]}');
      const failure = await failureOf(evidence.publish(publishRequest(), signal));
      expect(failure).toMatchObject({ retryable: false, hint: 'move it out of the way' });
      expect(await readFile(join(job, '01jabcdefghj', 'precious'), 'utf8')).toBe('foreign');
      expect(await readdir(job)).toEqual(['01jabcdefghj', JOB]);
    } finally {
      await rm(outside, { recursive: true });
    }
  });

  test("lists a partial collection as held, and ignores directories that are no job's", async () => {
    const evidence = rig.start({
      beforeStep: (step) => {
        if (step === 'put staging in place') throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      },
    });
    await failureOf(evidence.collect(collectRequest(), signal));
    expect(await readdir(join(rig.stateDir, 'evidence'))).toEqual([`.${JOB}`]);
    await writeAt(join(rig.stateDir, 'evidence', '..lost+found', 'x'), '');
    await writeAt(join(rig.stateDir, 'runs', 'lost found', 'x'), '');
    await writeAt(join(rig.stateDir, 'runs', '.hidden', 'x'), '');
    await writeAt(join(rig.stateDir, 'runs', 'a-file'), '');
    await symlink(rig.base, join(rig.stateDir, 'runs', 'a-link'));
    expect(await evidence.held()).toEqual([JOB]);
    await evidence.discard(JOB, 'all');
    expect(await evidence.held()).toEqual([]);
  });

  test('ends at its deadline, with a hint', async () => {
    await rig.writeTreeFile(JOB, 'logs/a.log', 'x');
    const evidence = rig.start({
      beforeStep: (step) => {
        // The deadline passes while the operation is at this point, so the test waits for nothing.
        if (step.startsWith('copy')) for (const end = Date.now() + 60; Date.now() < end; );
      },
    });
    const request = collectRequest({ server: rig.server, logs: ['logs', 'logs/b'], timeoutMs: 20 });
    const failure = await failureOf(evidence.collect(request, signal));
    expect(failure.retryable).toBe(true);
    expect(failure.message).toContain('took longer');
  });

  test('has a hint when the disk refuses a write', async () => {
    const evidence = rig.start({
      beforeStep: (step) => {
        if (step === 'index.html') throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      },
    });
    await evidence.collect(collectRequest(), signal);
    const failure = await failureOf(evidence.publish(publishRequest(), signal));
    expect(failure).toMatchObject({ retryable: true, hint: 'free some space on that disk' });
    const job = join(rig.site, '45', '912345', '3', 'check', 'acme-dsvm');
    expect(await readdir(job)).toEqual([]);
  });
});

async function modes(directory: string): Promise<{ directories: number[]; files: number[] }> {
  const found = { directories: [(await stat(directory)).mode & 0o7777], files: [] as number[] };
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    const { mode } = await stat(join(entry.parentPath, entry.name));
    (entry.isDirectory() ? found.directories : found.files).push(mode & 0o7777);
  }
  return found;
}
