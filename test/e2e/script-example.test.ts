/**
 * examples/script on a static host behind a real sshd. Only stack.sh, unstack.sh and Tempest's two programs are stand-ins:
 * they take DevStack's local.conf and Tempest's arguments, and python-subunit writes the results.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { needs } from '../fixtures/needs.ts';
import { findProgram } from '../fixtures/programs.ts';
import { Sshd } from '../fixtures/sshd.ts';
import { Testbed } from './testbed.ts';

const { test } = needs('sshd', 'subunit-ls');

const EXAMPLE = fileURLToPath(new URL('../../examples/script', import.meta.url));
/** The name of the tested project, and of the one that a change depends on. */
const [PROJECT, LIBRARY] = ['case-1', 'case-2'];

const STACK = `#!/bin/bash
set -e
section() { awk -v head="[[$1|$2]]" '/^\\[\\[.*\\]\\]$/ { on = ($0 == head); next } on' local.conf; }
section local localrc > .localrc.auto
. ./.localrc.auto
echo "under test: $LIBS_FROM_GIT" | tee "$LOGFILE"
if grep -q unstackable "$DEST/${PROJECT}/README"; then
  echo '[ERROR] ./stack.sh:8 the services do not start' >> "$(dirname "$LOGFILE")/error.log"
  echo 'output of an exit trap'
  exit 1
fi
git clone --quiet "$GIT_BASE/openstack/tempest" "$DEST/tempest"
mkdir -p "$DEST/tempest/.tox/tempest"
mv "$DEST/tempest/programs" "$DEST/tempest/.tox/tempest/bin"
section post-config '$CINDER_CONF' > "$DEST/tempest/etc/tempest.conf"
`;

const TEMPEST = `import os, re, sys, unittest
from subunit import StreamResultToBytes
from testtools import ExtendedToStreamDecorator
options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
def tests(suite):
    for one in suite:
        yield from tests(one) if isinstance(one, unittest.TestSuite) else [one]
os.mkdir(".stestr")
with open(".stestr/0", "wb") as stream:
    result = ExtendedToStreamDecorator(StreamResultToBytes(stream))
    result.startTestRun()
    for one in tests(unittest.defaultTestLoader.discover("api")):
        if re.search(options["--regex"], one.id()):
            one.run(result)
    result.stopTestRun()
sys.exit(not result.wasSuccessful())
`;

const TESTS = `import os, unittest
def read(*path):
    with open(os.path.join(os.environ["HOME"], *path)) as file:
        return file.read()
class VolumesTest(unittest.TestCase):
    def test_volume_extend(self):
        self.assertNotIn("broken", read("${PROJECT}", "README"))
    def test_volume_get(self):
        self.assertIn("san_password = kept-secret", read("tempest", "etc", "tempest.conf"))
    def test_volume_of_library(self):
        if "Depends-On" in read("${PROJECT}", "README"):
            self.assertIn("newer", read("${LIBRARY}", "README"))
        else:
            self.assertFalse(os.path.exists(os.path.join(os.environ["HOME"], "${LIBRARY}")))
class ServersTest(unittest.TestCase):
    def test_server(self):
        self.fail("not selected")
`;

let testbed: Testbed;
let sshd: Sshd;
beforeAll(async () => {
  [testbed, sshd] = await Promise.all([Testbed.start(), Sshd.start()]);
});
afterAll(async () => {
  await sshd.close();
  await testbed.stop();
});

/** A repository from which the example or stack.sh clones. */
function repository(name: string, files: Readonly<Record<string, string>>): void {
  const directory = join(testbed.directory, 'upstream', 'openstack', name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
    if (text.startsWith('#!')) chmodSync(join(directory, path), 0o755);
  }
  const git = (...argv: string[]) => execFileSync('git', argv, { cwd: directory });
  git('init', '--quiet', '--initial-branch=master');
  git('add', '--all');
  git('-c', 'user.name=dev', '-c', 'user.email=dev@example.org', 'commit', '--quiet', '-m', 'Begin');
}

/** The operator's copy of the example; returns the directory of DevStack's trees. */
function copyExample(directory: string): string {
  const stack = join(testbed.directory, 'opt-stack');
  cpSync(EXAMPLE, directory, { recursive: true });
  writeFileSync(
    join(directory, 'settings'),
    readFileSync(join(directory, 'settings'), 'utf8')
      .replace('DEST=/opt/stack', `DEST=${stack}`)
      .replace('GIT_BASE=https://opendev.org', `GIT_BASE=${testbed.directory}/upstream`),
  );
  mkdirSync(stack);
  return stack;
}

test('the whole example: three changes on one host', async () => {
  const python = join(dirname(findProgram('subunit-ls') ?? ''), 'python3');
  const unstacked = join(testbed.directory, 'unstacked');
  repository('devstack', { 'stack.sh': STACK, 'unstack.sh': `#!/bin/sh\necho again >>'${unstacked}'\n` });
  repository('tempest', {
    'programs/tempest': `#!${python}\n${TEMPEST}`,
    'programs/stestr': '#!/bin/sh\n[ "$*" = \'last --subunit\' ] && exec cat .stestr/0\n',
    'api/test_volumes.py': TESTS,
    'etc/README': '',
  });
  const directory = join(testbed.directory, 'script');
  const stack = copyExample(directory);
  const secret = join(testbed.directory, 'local.conf');
  writeFileSync(secret, 'san_password = kept-secret\n');
  const testCase = await testbed.newCase({
    stages: `    stacking: {script: [${directory}/stack], directory: ${directory}, timeout: 1m}
    testing:
      script: [${directory}/test, VolumesTest]
      directory: ${directory}
      timeout: 1m
      results: {format: subunit, file: testrepository.subunit, expected: 2}
`,
    job: `    secrets: [{file: ${secret}}]\n    exposesSecretsTo: anyone\n    logs: [logs]\n`,
    provider: () => `
providers:
  lab:
    type: static
    ssh: {key: ${sshd.keyFile}, user: ${sshd.user}, port: ${sshd.port}, directory: ${testbed.directory}/node}
    hosts: {one: {host: 127.0.0.1, hostKey: '${sshd.hostKey}'}}
    reset: {command: ['true']}
`,
  });
  onTestFinished(() => testCase.close());
  mkdirSync(join(testbed.directory, 'node'));
  const library = await testbed.newCase({});
  expect([testCase.name, library.name]).toEqual([PROJECT, LIBRARY]);
  const dependency = await library.push('newer\n');

  const daemon = await testCase.startDaemon();
  const review = async (text: string) => {
    const change = await testCase.push(text);
    await testCase.eventually(
      'its job has ended',
      () =>
        testCase.jobs().some((job) => job.change === change && job.verdict !== null) && testCase.allEnded(),
    );
    return testCase.messages(change)[0] ?? '';
  };

  const good = await review(`works\n\nDepends-On: http://127.0.0.1/c/${LIBRARY}/+/${dependency}\n`);
  expect(good).toContain('Verified+1');
  expect(testCase.published('testr_results.html')).toContain('VolumesTest.test_volume_of_library');
  expect(testCase.published('testr_results.html')).not.toContain('test_server');
  expect(testCase.published('stacking.log')).toContain(`under test: ${PROJECT},${LIBRARY}`);
  expect(testCase.published('devstacklog.txt')).toContain('under test');
  expect(testCase.published('local.conf')).toContain('volume_backend_name = acme');
  expect(testCase.published('local.conf')).not.toContain('kept-secret');

  const bad = await review('broken\n');
  expect(bad).toContain('Verified-1');
  expect(bad).toContain('1 of 3 tests failed: test_volumes.VolumesTest.test_volume_extend');
  expect(readFileSync(unstacked, 'utf8')).toBe('again\n');

  const unstackable = await review('unstackable\n');
  expect(unstackable).toContain('the services do not start');
  expect(unstackable).not.toContain('Verified');
  expect(readFileSync(join(stack, 'devstack', 'local.conf'), 'utf8')).toContain(`LIBS_FROM_GIT=${PROJECT}\n`);
  expect(await daemon.stop()).toBe(0);
});
