/** The role `publish`, run by ansible-playbook without sos-ci. With sos-ci, the contract of Publisher tests it. */
import { createHash, randomBytes } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { it as always, beforeEach, expect } from 'vitest';
import { EXHAUSTIVE } from '../fixtures/effort.ts';
import { needs } from '../fixtures/needs.ts';
import { Installed, TIMEOUT } from './installed.ts';

const ansible = new Installed();
const { scratch } = ansible;
/** Each run of ansible-playbook takes seconds. */
const exhaustively = always.runIf(EXHAUSTIVE);
const JOB = '0123456789abcdef';
const SHORT = JOB.slice(0, 12);
const PARENT = '12/912/3/check/acme';
/** More than one archive, and a file that is in two of them. */
const FILES = {
  'a.log': Buffer.from('a\n'),
  'sub/large.bin': randomBytes(40 * 1024 ** 2),
  'sub/empty.log': Buffer.alloc(0),
};

needs('ansible-playbook').describe('the role publish', () => {
  const site = join(scratch, 'site');
  const place = join(site, PARENT);
  const directory = join(scratch, 'finished');

  beforeEach(() => {
    for (const path of [site, directory]) rmSync(path, { recursive: true, force: true });
    for (const path of [join(directory, 'sub'), place]) mkdirSync(path, { recursive: true });
    for (const [path, content] of Object.entries(FILES)) writeFileSync(join(directory, path), content);
    writeManifest(directory, JOB);
    writeFileSync(
      join(scratch, 'hosts'),
      '[log_server]\nhost ansible_connection=local ansible_python_interpreter="{{ ansible_playbook_python }}"\n',
    );
  });

  function writeManifest(at: string, job: string, changes: object = {}): void {
    const files = Object.entries(FILES).map(([path, content]) => ({
      path,
      bytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    }));
    const manifest = {
      ...{ version: 1, state: 'published', job, deployment: 'd1', publishedAt: '2026-01-02T03:04:05.678Z' },
      ...{ patchset: { change: 912, patchset: 3 }, pipeline: 'check', name: 'acme', files, pages: [] },
    };
    writeFileSync(join(at, 'manifest.json'), JSON.stringify({ ...manifest, ...changes }));
  }

  function play(name: string, variables: object) {
    writeFileSync(join(scratch, 'vars.json'), JSON.stringify({ publish_root: site, ...variables }));
    return ansible.run('ansible-playbook', [
      '-v',
      '-i',
      'hosts',
      `sos_ci.openstack.${name}`,
      '-e',
      '@vars.json',
    ]);
  }

  const publish = () =>
    play('publish', {
      publish_directory: directory,
      publish_job: JOB,
      publish_parents: PARENT.split('/'),
      publish_names: [SHORT, JOB],
    });

  function expectPublished(at: string): void {
    for (const [path, content] of Object.entries(FILES))
      expect(readFileSync(join(at, path)).equals(content), path).toBe(true);
    expect(JSON.parse(readFileSync(join(at, 'manifest.json'), 'utf8')).state).toBe('published');
  }

  always(
    'sends what an interrupted run has not sent, and nothing the second time',
    () => {
      const temporary = join(place, `.sos-ci-${JOB}.1`);
      mkdirSync(join(temporary, 'sub'), { recursive: true });
      writeManifest(temporary, JOB, { state: 'publishing', files: [] });
      writeFileSync(join(temporary, 'a.log'), FILES['a.log']);
      writeFileSync(join(temporary, 'sub/large.bin'), 'half');
      writeFileSync(join(temporary, 'sub/foreign'), 'x');
      symlinkSync('/etc/hostname', join(temporary, 'sub/empty.log'));
      const first = publish();
      expect(first.output).toContain('"sent": 2');
      expectPublished(join(place, SHORT));
      expect(readdirSync(place)).toEqual([SHORT]);
      expect(readdirSync(join(place, SHORT, 'sub')).sort()).toEqual(['empty.log', 'large.bin']);
      expect(publish().output).toContain('"sent": 0');
    },
    TIMEOUT,
  );

  exhaustively(
    'refuses a file that is not as in the manifest, and directories of others',
    () => {
      writeFileSync(join(directory, 'a.log'), 'b\n');
      const other = publish();
      expect(other.status).not.toBe(0);
      expect(other.output).toContain('a.log: its checksum is not that of the manifest');
      expect(readdirSync(place)).toEqual([`.sos-ci-${JOB}.1`]);
      writeFileSync(join(directory, 'a.log'), FILES['a.log']);
      mkdirSync(join(place, SHORT));
      writeManifest(join(place, SHORT), 'another');
      symlinkSync(scratch, join(place, JOB));
      const refused = publish();
      expect(refused.status).not.toBe(0);
      expect(refused.output).toContain(`not ours has the name ${PARENT}/${SHORT}`);
      expect(readdirSync(join(place, SHORT))).toEqual(['manifest.json']);
    },
    TIMEOUT,
  );

  exhaustively(
    'finds what has expired, and removes what it is told to',
    () => {
      for (const [name, job, changes] of [
        [SHORT, JOB, {}],
        ['other', 'other', { deployment: 'd2' }],
        ['young', 'young', { publishedAt: '2026-02-02T03:04:05.678Z' }],
        ['moved', 'moved', { pipeline: 'gate' }],
        ['kept', 'kept', {}],
      ] as const) {
        mkdirSync(join(place, name));
        writeManifest(join(place, name), job, changes);
      }
      for (const name of readdirSync(place)) utimesSync(join(place, name, 'manifest.json'), 1, 1);
      const before = Date.parse('2026-01-20') / 1000;
      const variables = { publish_deployment: 'd1', publish_before: before };
      expect(play('expire', variables).output).toContain(`"expired": ["${JOB}", "kept"]`);
      expect(readdirSync(place)).toHaveLength(5);
      const removed = play('expire', { ...variables, sos_ci: { jobs: [JOB, 'other', 'moved'] } });
      expect(removed.output).toContain(`"expired": ["${JOB}"]`);
      expect(readdirSync(place).sort()).toEqual(['kept', 'moved', 'other', 'young']);
    },
    TIMEOUT,
  );
});
