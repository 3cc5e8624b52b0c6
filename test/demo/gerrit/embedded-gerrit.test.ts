import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { newChangeId, type StreamOutput } from '../../contracts/gerrit-fixture.ts';
import { needs } from '../../fixtures/needs.ts';
import { EmbeddedFixture } from './embedded-fixture.ts';

const { test } = needs('git', 'ssh');

const CINDER = 'openstack/cinder';
const NOVA = 'openstack/nova';

let fixture: EmbeddedFixture;
beforeEach(async () => {
  fixture = await new EmbeddedFixture().open();
  await fixture.gerrit.createProject(CINDER);
  await fixture.gerrit.createProject(NOVA);
});
afterEach(() => fixture.close());

describe('a sequence of all events that a CI receives', () => {
  test('gives the same stream as a real Gerrit', async () => {
    const samples = ['3.9.1', '3.12.0'].map((version) =>
      readFileSync(new URL(`../../samples/gerrit-${version}-stream.jsonl`, import.meta.url), 'utf8'),
    );
    const stream = await fixture.stream('acme-ci');
    await triggerAllEvents(fixture);
    await stream.lines(Math.max(...samples.map((sample) => sample.trimEnd().split('\n').length)));
    const actual = comparable(stream.text);
    for (const sample of samples) {
      const expected = comparable(sample);
      expect(actual.map((line) => JSON.parse(line).type)).toEqual(
        expected.map((line) => JSON.parse(line).type),
      );
      // Names, values and order of all fields; only hashes, times and the web URL were replaced.
      expect(actual).toEqual(expected);
    }
  });
});

describe('real clients', () => {
  test('git clones, pushes, and fetches the patchset back', async () => {
    await fixture.gerrit.createProject('demo', { 'readme.txt': 'hello\n', 'run.sh': '#!/bin/sh\n' });
    await clone('demo');
    await fixture.commit('demo', 'Say more', { 'readme.txt': 'hello\nagain\n' });
    const pushed = await push('demo');
    expect(pushed.stderr).toMatch(/SUCCESS\s*\n.*\n.*\/c\/demo\/\+\/1 Say more \[NEW\]/);
    await fixture.git('.', 'init', '-q', 'other');
    const fetched = await fixture.git(
      'other',
      'fetch',
      '-q',
      fixture.url('demo', 'dev'),
      'refs/changes/01/1/1',
    );
    expect(fetched).toMatchObject({ status: 0 });
    const shown = await fixture.git('other', 'show', 'FETCH_HEAD:readme.txt');
    expect(shown.stdout).toBe('hello\nagain\n');
    expect((await fixture.git('other', 'ls-tree', 'FETCH_HEAD')).stdout).toMatch(
      /^100755 blob \w+\trun.sh$/m,
    );
  });

  test('rejects an unknown user, a wrong key and another host key', async () => {
    expect((await fixture.ssh('admin', 'gerrit version')).stdout).toBe('gerrit version 3.12.0\n');
    fixture.gerrit.setAccount({ username: 'dev', publicKeys: [] });
    const denied = await fixture.ssh('dev', 'gerrit version');
    expect(denied.status).toBe(255);
    expect(denied.stderr).toContain('Permission denied (publickey)');
    fixture.gerrit.replaceHostKey();
    expect((await fixture.ssh('admin', 'gerrit version')).stderr).toContain(
      'HOST IDENTIFICATION HAS CHANGED',
    );
    fixture.trustHost();
    expect((await fixture.ssh('admin', 'gerrit version')).status).toBe(0);
  });

  test.each([
    ['gerrit nosuch', 1, 'fatal: gerrit: nosuch: not found\n'],
    ['ls', 1, 'fatal: Gerrit Code Review: ls: not found\n'],
    ['gerrit stream-events', 1, 'stream events not permitted\n'],
    ["git-upload-pack '/openstack/none'", 1, 'fatal: project openstack/none not found\n'],
    ["git-receive-pack '../../../etc'", 1, 'fatal: project ../../../etc not found\n'],
  ])('%s ends with %i', async (command, status, stderr) => {
    expect(await fixture.ssh('dev', command)).toEqual({ status, stdout: '', stderr });
  });

  test('passes no argument of a command to a shell', async () => {
    await change();
    const ran = await fixture.ssh('dev', 'gerrit review -m "$(id) `id` ; exit 7" 1,1');
    expect(ran.status).toBe(0);
    expect(fixture.gerrit.messages(1).at(-1)?.text).toBe('Patch Set 1:\n\n$(id) `id` ; exit 7');
  });
});

describe('faults', () => {
  test('a stream is cut in the middle of a line', async () => {
    const stream = await fixture.stream('zuul');
    fixture.gerrit.cutStreams({ type: 'comment-added', comment: 'never whole' });
    expect(await stream.ended).toBe(255);
    expect(stream.text).toMatch(/^\{"type":"comm[^}]*$/);
    await fixture.gerrit.until(() => fixture.gerrit.streams === 0);
  });

  test('connections are rejected, and accepted again on the same port', async () => {
    const stream = await fixture.stream('zuul');
    fixture.gerrit.refuseConnections();
    expect((await fixture.ssh('dev', 'gerrit version')).stderr).toContain('Connection refused');
    fixture.gerrit.publish({ type: 'heartbeat' });
    await stream.lines(1);
    await fixture.gerrit.acceptConnections();
    expect((await fixture.ssh('dev', 'gerrit version')).status).toBe(0);
  });

  test('a silent server responds to nothing, and to everything when it is back', async () => {
    const stream = await fixture.stream('zuul');
    fixture.gerrit.setSilent(true);
    const running = fixture.ssh('dev', 'gerrit version');
    await fixture.gerrit.until(() => fixture.gerrit.counts.connected === 2);
    fixture.gerrit.publish({ type: 'heartbeat' });
    expect([stream.text, fixture.gerrit.counts.authenticated]).toEqual(['', 1]);
    fixture.gerrit.setSilent(false);
    await stream.lines(1);
    expect((await running).stdout).toBe('gerrit version 3.12.0\n');
  });

  test('a review is accepted and its response is lost', async () => {
    await change();
    const dropped = fixture.gerrit.faults.dropResponse();
    const ran = await review({ message: 'Build succeeded' });
    await dropped;
    expect(ran.status).toBe(255);
    expect(texts()).toEqual(['Patch Set 1:\n\nBuild succeeded']);
    expect((await review({ message: 'Build succeeded' })).status).toBe(0);
    expect(texts()).toEqual(['Patch Set 1:\n\nBuild succeeded', 'Patch Set 1:\n\nBuild succeeded']);
  });

  test('a review is held before it is accepted, and another one after', async () => {
    await change();
    const before = fixture.gerrit.faults.hold('before-applied');
    const first = review({ message: 'one' });
    await before.reached;
    expect(texts()).toEqual([]);
    before.release();
    expect((await first).status).toBe(0);
    const after = fixture.gerrit.faults.hold('after-applied');
    const second = review({ message: 'two' });
    await after.reached;
    expect(texts()).toEqual(['Patch Set 1:\n\none', 'Patch Set 1:\n\ntwo']);
    after.release();
    expect((await second).status).toBe(0);
  });

  test('a review fails as configured', async () => {
    await change();
    fixture.gerrit.faults.fail(1, 'fatal: internal server error\n');
    expect(await review({ message: 'x' })).toEqual({
      status: 1,
      stdout: '',
      stderr: 'fatal: internal server error\n',
    });
    expect(texts()).toEqual([]);
  });

  test('a restart keeps the port and the changes', async () => {
    await change();
    const { port } = fixture.gerrit;
    await fixture.gerrit.stop();
    await fixture.gerrit.start();
    expect(fixture.gerrit.port).toBe(port);
    expect((await fixture.ssh('dev', 'gerrit query --format=JSON change:1')).stdout).toContain('"number":1');
  });
});

function review(input: object): ReturnType<EmbeddedFixture['ssh']> {
  return fixture.ssh('acme-ci', 'gerrit review --json 1,1', JSON.stringify(input));
}

function texts(): string[] {
  return fixture.gerrit.messages(1, 'acme-ci').map((message) => message.text);
}

async function clone(project: string, directory = project): Promise<void> {
  expect(await fixture.git('.', 'clone', '-q', fixture.url(project), directory)).toMatchObject({ status: 0 });
}

async function push(directory: string, options = ''): ReturnType<EmbeddedFixture['git']> {
  const pushed = await fixture.git(directory, 'push', '-q', 'origin', `HEAD:refs/for/master${options}`);
  expect(pushed).toMatchObject({ status: 0 });
  return pushed;
}

async function change(): Promise<void> {
  await clone(CINDER, 'cinder');
  await fixture.commit('cinder', 'Change', { 'a.txt': 'a\n' });
  await push('cinder');
}

/** The same steps with which the samples were recorded. */
async function triggerAllEvents(on: EmbeddedFixture): Promise<void> {
  const { gerrit } = on;
  const amend = (message: string, id: string) =>
    on.git('cinder', 'commit', '-q', '--amend', '-m', `${message}\n\nChange-Id: ${id}\n`);
  await clone(CINDER, 'cinder');
  await clone(NOVA, 'nova');
  const id = newChangeId();
  const body = 'Acme: retry the login\n\nThe array drops a session now and then.\n\nCloses-Bug: #1999999';
  on.writeFile('cinder/driver.py', 'retries = 3\n');
  await on.git('cinder', 'add', '-A');
  await on.git('cinder', 'commit', '-q', '-m', `${body}\nChange-Id: ${id}\n`);
  await push('cinder', '%topic=acme-retry');
  await amend('Acme: retry the login, thrice', id);
  await push('cinder');
  on.writeFile('cinder/driver.py', 'retries = 5\n');
  await on.git('cinder', 'commit', '-q', '-a', '--amend', '--no-edit');
  await push('cinder');
  await on.ssh('dev', `gerrit review --project ${CINDER} -m 'recheck' 1,3`);
  await on.ssh('dev', `gerrit review --project ${CINDER} -m 'run-Acme CI' 1,3`);
  const snow = `I think that "recheck" would help here, na\u00efve \u6f22\u5b57 \u2603`;
  await on.ssh('dev', `gerrit review --project ${CINDER} -m '${snow}' 1,3`);
  const passed = "'Build succeeded (check pipeline).'";
  await on.ssh('zuul', `gerrit review --verified +1 --tag autogenerated:zuul:check -m ${passed} 1,3`);
  const admin = gerrit.as('admin');
  admin.review(1, {
    message: 'see inline',
    labels: { 'Code-Review': 2 },
    comments: { 'a.txt': [{ message: 'why five?' }] },
  });
  admin.setWorkInProgress(1, true);
  admin.setWorkInProgress(1, false);
  admin.setPrivate(1, true);
  admin.setPrivate(1, false);
  admin.addHashtags(1, ['acme']);
  admin.setTopic(1, 'acme-login');
  await on.ssh('dev', `gerrit review --project ${CINDER} --abandon 1,3`);
  await on.ssh('dev', `gerrit review --project ${CINDER} --restore 1,3`);
  admin.deleteVote(1, 'zuul', 'Verified');
  const dependsOn = `Depends-On: ${gerrit.state.url}/c/${CINDER}/+/1`;
  on.writeFile('nova/volume.py', 'attach = True\n');
  await on.git('nova', 'add', '-A');
  await on.git('nova', 'commit', '-q', '-m', `Attach by Acme\n\n${dependsOn}\nChange-Id: ${newChangeId()}\n`);
  await push('nova');
  const message =
    'Build failed (acme-check pipeline).  For information on how to proceed, see ' +
    'https://wiki.example.org/Acme_CI\n\n\n- acme-tempest-iscsi https://logs.example.org/2/1/ : ' +
    'FAILURE in 1h 02m 03s (non-voting)\n';
  const input = { message, tag: 'autogenerated:acme-ci:check', labels: { Verified: -1 } };
  await on.ssh('acme-ci', `gerrit review --json --project ${NOVA} 2,1`, JSON.stringify(input));
  gerrit.as('dev').review(2, {});
  admin.review(1, { labels: { 'Code-Review': 2 } });
  await admin.submit(1);
  await on.git('cinder', 'fetch', '-q', 'origin');
  await on.git('cinder', 'checkout', '-q', 'origin/master');
  await on.commit('cinder', 'Docs only', { 'README.rst': '# docs\n' });
  await push('cinder', '%wip');
}

/** One text for each line: hashes and Change-Ids numbered by first appearance, times and addresses removed. */
function comparable(text: StreamOutput['text']): string[] {
  const names = new Map<string, string>();
  return text
    .trimEnd()
    .split('\n')
    .map((line) =>
      line
        .replace(/[0-9a-f]{40}/g, (hash) => {
          if (/^0+$/.test(hash)) return hash;
          const name = names.get(hash) ?? `hash-${names.size}`;
          names.set(hash, name);
          return name;
        })
        .replace(/("(?:createdOn|eventCreatedOn)":)\d+/g, '$10')
        .replace(/http:\/\/127\.0\.0\.1:\d+/g, 'http://gerrit'),
    );
}
