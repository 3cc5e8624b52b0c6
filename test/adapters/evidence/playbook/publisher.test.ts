/** Publishing by playbooks: what a playbook answers, a log server that is down, and runs that are cancelled or continued. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { playbookProgram } from '../../../../src/adapters/ansible/playbook-program.ts';
import { PlaybookPublisher } from '../../../../src/adapters/evidence/playbook/publisher.ts';
import { LocalRuns } from '../../../../src/adapters/local/local-runs.ts';
import { markedProcesses } from '../../../../src/demo/observer.ts';
import type { FinishedDirectory } from '../../../../src/engine/ports/publisher.ts';
import { OperationError } from '../../../../src/errors.ts';
import { collectRequest, failureOf, JOB, publishRequest } from '../../../contracts/evidence.ts';
import { fileSystemPublisherContract } from '../../../contracts/file-system-publisher.ts';
import { publisherContract } from '../../../contracts/publisher.ts';
import { STAGE_BOUNDS } from '../../../fixtures/bounds.ts';
import { EVERYTHING, LONG } from '../../../fixtures/effort.ts';
import { needs } from '../../../fixtures/needs.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { Sshd } from '../../../fixtures/sshd.ts';
import { type LocalRig, makeRig } from '../../logs/rig.ts';
import { type PlaybookLogServer, playbookLogServer, playbookPublisher } from './log-server.ts';

const PARENT = '45/912345/3/check/acme-dsvm';
const SHORT = JOB.slice(0, 12);
const gone = new OperationError({
  ...{ operation: 'publish evidence', target: JOB, message: 'nothing was collected', hint: 'none' },
  retryable: false,
});

describe('the answer of a playbook', () => {
  const finished = (compose: FinishedDirectory['compose']): FinishedDirectory => ({
    ...{ job: JOB, parent: PARENT.split('/'), names: [SHORT, JOB], directory: '/nowhere', compose },
  });
  const whole = finished(async () => [...PARENT.split('/'), SHORT]);
  const answering = (answer: unknown) =>
    new PlaybookPublisher({ publish: 'p', expire: 'e', run: async () => answer });

  test('is one of the paths that the job may have', async () => {
    const path = [...PARENT.split('/'), JOB];
    expect(await answering({ path: path.join('/') }).publish(whole, NEVER)).toEqual(path);
  });

  test.each([
    null,
    'text',
    {},
    { path: `${PARENT}/other` },
    { path: `/${PARENT}/${SHORT}` },
    { path: `${PARENT}/../../${SHORT}` },
    { path: 7 },
  ])('is an error, and another attempt may help: %j', async (answer) => {
    expect(await failureOf(answering(answer).publish(whole, NEVER))).toMatchObject({
      retryable: true,
      hint: expect.stringContaining('log_server'),
    });
  });

  test('can say that the names are taken', async () => {
    const refused = answering({ path: '', refused: 'a link' }).publish(whole, NEVER);
    expect(await failureOf(refused)).toMatchObject({ retryable: false, hint: 'move it out of the way' });
  });

  test('explains nothing when the evidence is gone: that error is reported', async () => {
    const lost = finished(() => Promise.reject(gone));
    expect(await failureOf(answering({ path: '' }).publish(lost, NEVER))).toBe(gone);
    expect(await answering({ path: `${PARENT}/${SHORT}` }).publish(lost, NEVER)).toContain(SHORT);
  });

  test('names expired jobs; needed ones are kept, and without a playbook all are kept', async () => {
    const asked: object[] = [];
    const run = async ({ input }: { readonly input: object }) => {
      asked.push(input);
      return { expired: 'jobs' in input ? input.jobs : ['one', 'two', '../three', 4] };
    };
    const expiry = { deployment: 'd1', before: 5_000, isNeeded: (job: string) => job === 'one' };
    expect(await new PlaybookPublisher({ publish: 'p', expire: 'e', run }).expire(expiry, NEVER)).toBe(1);
    expect(asked[1]).toMatchObject({ deployment: 'd1', before: 5, jobs: ['two'] });
    expect(await new PlaybookPublisher({ publish: 'p', expire: null, run }).expire(expiry, NEVER)).toBe(0);
    expect(asked).toHaveLength(2);
    expect(await failureOf(answering({}).expire(expiry, NEVER))).toMatchObject({ retryable: true });
  });
});

/** Each run of ansible-playbook takes seconds. */
const programs = needs('sshd', 'ansible-playbook').exhaustively;

programs.describe('a log server with playbooks', LONG, () => {
  let sshd: Sshd;
  let server: PlaybookLogServer;
  let rig: LocalRig;
  beforeAll(async () => {
    sshd = await Sshd.start();
  });
  afterAll(() => sshd.close());
  beforeEach(async () => {
    rig = await makeRig(undefined, (root) => {
      server = playbookLogServer(sshd, root);
      return playbookPublisher(server);
    });
    await rig.writeStageLog(JOB, 1, 'testing', 'log\n');
    await rig.start().collect(collectRequest(), NEVER);
  });
  afterEach(() => rig.close());

  const REQUEST = publishRequest({ timeoutMs: 600_000 });
  const publish = () => rig.start().publish(REQUEST, NEVER);
  const own = (publisher: PlaybookPublisher, signal = NEVER) =>
    rig.start({ publisher }).publish(REQUEST, signal);

  /** A publisher with a playbook of these plays. */
  function playing(plays: readonly object[], changes: Partial<PlaybookLogServer> = {}): PlaybookPublisher {
    const file = join(rig.base, 'own.yml');
    writeFileSync(file, JSON.stringify(plays));
    return playbookPublisher({ ...server, publish: file, ...changes });
  }

  async function expectPublished(url: string): Promise<void> {
    expect(fileURLToPath(url)).toBe(`${join(rig.site, PARENT, SHORT)}/`);
    expect(await rig.read(url, 'attempt-1/testing.log')).toBe('log\n');
    expect((await rig.manifest(url)).state).toBe('published');
    expect((await readdir(join(rig.site, PARENT))).sort()).toEqual([SHORT, 'index.html']);
  }

  test('publishes, finds what is published, and removes what has expired', async () => {
    await expectPublished(await publish());
    await rig.start().discard(JOB, 'all');
    await expectPublished(await publish());
    const expiry = { deployment: 'd1', before: Date.now() + 3_600_000, isNeeded: () => false };
    expect(await rig.start().expire(expiry, LONG.timeout, NEVER)).toBe(1);
    expect(await readdir(rig.site)).toEqual([]);
    expect(readdirSync(join(server.stateDir, 'ansible-calls'))).toEqual([]);
  });

  test('fails as retryable while the log server is down, and publishes when it is back', async () => {
    await sshd.down();
    expect(await failureOf(publish())).toMatchObject({
      retryable: true,
      message: expect.stringContaining('failed on logs: '),
    });
    await sshd.up();
    await expectPublished(await publish());
  });

  const LOG_SERVER = { hosts: 'log_server', gather_facts: false };
  const answer = (path: string) => ({
    name: 'Answer',
    'ansible.builtin.copy': {
      dest: '{{ sos_ci.answer_file }}',
      content: `{{ {'path': ${path}} | to_json }}`,
    },
    delegate_to: 'localhost',
  });

  test('runs a playbook of the operator’s, which must say where it has published', async () => {
    const copy = {
      name: 'Copy',
      'ansible.builtin.copy': {
        src: '{{ sos_ci.directory }}/',
        dest: '{{ publish_root }}/{{ sos_ci.path }}/',
      },
    };
    const silent = await failureOf(own(playing([{ ...LOG_SERVER, tasks: [copy] }])));
    expect(silent).toMatchObject({ retryable: true, message: expect.stringContaining('answered nothing') });
    await rm(join(rig.site, '45'), { recursive: true });
    const url = await own(playing([{ ...LOG_SERVER, tasks: [copy, answer('sos_ci.path')] }]));
    expect(await rig.read(url, 'attempt-1/testing.log')).toBe('log\n');
    const empty = join(rig.base, 'hosts');
    writeFileSync(empty, '[log_server]\n');
    const nobody = await failureOf(own(playbookPublisher({ ...server, inventory: empty })));
    expect(nobody).toMatchObject({ retryable: true, hint: expect.stringContaining('group log_server') });
  });

  /** A play that says that it runs, and waits for a file. */
  function waiting() {
    const [runs, go] = [join(rig.base, 'runs'), join(rig.base, 'go')];
    writeFileSync(runs, '');
    const script = `echo run >>${runs}; sleep 300 & until [ -e ${go} ]; do sleep 0.1; done`;
    const wait = { name: 'Wait', 'ansible.builtin.shell': script, delegate_to: 'localhost' };
    const plays = [{ ...LOG_SERVER, tasks: [wait, answer('sos_ci.path')] }];
    const started = () => expect.poll(() => readFileSync(runs, 'utf8'), { timeout: 120_000 }).toBe('run\n');
    return { plays, started, goOn: () => writeFileSync(go, ''), runs };
  }

  test('leaves no process and no directory when it is cancelled', async () => {
    const { plays, started } = waiting();
    const cancel = new AbortController();
    const published = failureOf(own(playing(plays), cancel.signal));
    await started();
    expect(await markedProcesses(rig.base)).not.toEqual([]);
    cancel.abort();
    expect(await published).toMatchObject({ retryable: true });
    expect(await markedProcesses(rig.base)).toEqual([]);
    expect(existsSync(join(rig.stateDir, 'finished', JOB, 'playbook'))).toBe(false);
  });

  test('continues the run of a daemon that was killed', async () => {
    const { plays, started, goOn, runs } = waiting();
    const { stateDir, inventory, searchPath } = server;
    const real = new LocalRuns({ ...STAGE_BOUNDS, killTimeoutMs: 5_000 });
    // This daemon starts the run, and never hears of it again.
    const host = {
      start: async (...parameters: Parameters<LocalRuns['start']>) => {
        const handle = await real.start(...parameters);
        handle.detach();
        return { ...handle, ended: new Promise<never>(() => {}) };
      },
      stop: () => new Promise<never>(() => {}),
    };
    const files = { stateDir, host, inventory, variableFiles: [], searchPath };
    const file = join(rig.base, 'own.yml');
    mkdirSync(rig.base, { recursive: true });
    writeFileSync(file, JSON.stringify(plays));
    const dead = new PlaybookPublisher({ publish: file, expire: null, run: playbookProgram(files) });
    void own(dead);
    await started();
    const published = own(playing(plays));
    goOn();
    expect(fileURLToPath(await published)).toBe(`${join(rig.site, PARENT, SHORT)}/`);
    expect(readFileSync(runs, 'utf8')).toBe('run\n');
    expect(await markedProcesses(rig.base)).toEqual([]);
  });

  if (EVERYTHING)
    describe('the contract of Publisher', () => {
      const make = (site?: string) =>
        makeRig(site, (root) => playbookPublisher(playbookLogServer(sshd, root)));
      publisherContract(make);
      fileSystemPublisherContract(make);
    });
});
