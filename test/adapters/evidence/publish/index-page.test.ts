/** The first page that a developer sees. All of its text may come from an attacker. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { indexPage } from '../../../../src/adapters/evidence/publish/index-page.ts';
import { type Manifest, manifestOf } from '../../../../src/adapters/evidence/publish/manifest.ts';
import { linkTo } from '../../../../src/adapters/evidence/publish/page.ts';
import { publishRequest } from '../../../contracts/evidence.ts';
import { CODE_POINT } from '../../../fixtures/code-point.ts';
import { runs } from '../../../fixtures/effort.ts';
import { FACTS } from '../../../machines/facts.ts';

const AT = '2026-01-02T03:04:05.678Z';

function manifest(change: Partial<Manifest> = {}): Manifest {
  return { ...manifestOf(publishRequest(), { at: AT, clean: (text) => text }), collectedAt: AT, ...change };
}

function page(change: Partial<Manifest> = {}): string {
  return [...indexPage(manifest(change))].join('');
}

test('shows the verdict, the reason, the change, and the time in UTC', () => {
  const text = page();
  for (const part of [
    '<title>FAILURE: acme-dsvm 912345,3</title>',
    '1 of 20 tests failed',
    '<a href="https://review.example.org/c/912345" rel="noreferrer nofollow">912345,3</a> Retry the attach',
    'openstack/cinder, master',
    '2026-01-02 03:04:05 UTC',
    'href="manifest.json"',
  ]) {
    expect(text).toContain(part);
  }
});

const counts = [
  [{ passed: 24, failed: 0, skipped: 1 }, '24 passed, 1 skipped'],
  [{ passed: 22, failed: 2, skipped: 1 }, '22 passed, 2 failed, 1 skipped'],
  [{ passed: 3, failed: 0, skipped: 0 }, '3 passed'],
  [null, 'results'],
] as const;
test.each(counts)('shows the counts of %j beside the verdict, linked to their page', (numbers, text) => {
  const results = numbers === null ? null : { ...numbers, failures: [] };
  const files = [{ path: 'testr_results.html', bytes: 1, sha256: 'x' }];
  const verdict = numbers?.failed === 0 ? 'SUCCESS' : 'FAILURE';
  const request = publishRequest({ verdict, results });
  const [head] = page({ ...manifestOf(request, { at: AT, clean: (t) => t }), files }).split('</header>');
  expect(head).toContain(`<p class="reason">Tests: <a href="./testr_results.html">${text}</a></p>`);
});

test('shows the counts without a link if there is no page of the tests, and nothing without results', () => {
  const results = { passed: 2, failed: 0, skipped: 0, failures: [] };
  expect(page({ results })).toContain('<p class="reason">Tests: 2 passed</p>');
  expect(page()).not.toContain('Tests:');
});

test('lists the failed tests, the end of the failed stage, the tested commits and the other jobs', () => {
  const text = page({
    results: { passed: 17, failed: 3, skipped: 0, failures: ['test_attach', 'test_<b>'] },
    failedTests: [
      { name: 'test_attach', anchor: 'failed-1', traceback: 'Traceback\n\t<i>', isCut: true, line: 812 },
      { name: 'test_<b>', anchor: 'failed-2', traceback: '', isCut: false, line: null },
    ],
    files: [{ path: 'testr_results.html', bytes: 1, sha256: '' }],
    pages: [{ path: 'attempt-1/testing.log.html', bytes: 1, sha256: '' }],
    trees: [
      { project: 'openstack/cinder', branch: 'master', base: 'b'.repeat(40), revision: 'c'.repeat(40) },
    ],
    dependencies: [
      {
        project: 'openstack/nova',
        branch: 'master',
        change: 912000,
        patchset: 2,
        revision: 'd'.repeat(40),
        ref: 'refs/changes/00/912000/2',
      },
    ],
    siblings: [{ job: 'j0123456789abcdefg', name: 'acme-fc' }],
    failedStage: {
      attempt: 1,
      stage: 'testing',
      end: 'exited 1',
      startedAt: '2026-01-02T03:04:05.000Z',
      endedAt: '2026-01-02T03:05:07.400Z',
      log: 'attempt-1/testing.log',
      lastLines: ['not ok 3 test_attach', 'E: <script>'],
      firstLine: 812,
    },
  });
  for (const part of [
    '<li><a href="./testr_results.html#failed-1"><code>test_attach</code></a>, ' +
      '<a href="./attempt-1/testing.log.html#L812">line 812 of the log</a>\n<pre>...\nTraceback\n    &lt;i&gt;</pre></li>',
    '<li><a href="./testr_results.html#failed-2"><code>test_&lt;b&gt;</code></a></li>',
    `<dt>Tested</dt><dd>${'c'.repeat(40)}, merged with the base</dd>`,
    'And 1 more.',
    `<dt>Base</dt><dd>${'b'.repeat(40)}, master of openstack/cinder</dd>`,
    '<dt>Depends on</dt><dd>912000,2 of openstack/nova</dd>',
    '<a href="./../../acme-fc/j0123456789a/">acme-fc</a>',
    '<h2>The end of testing</h2>',
    'exited 1 after 1m 02s',
    '<a href="./attempt-1/testing.log.html#L812">812</a>not ok 3 test_attach</span>',
    '<a href="./attempt-1/testing.log.html#L813">813</a>E: &lt;script&gt;</span>',
  ]) {
    expect(text).toContain(part);
  }
  expect(page()).not.toMatch(/Failed tests|The end of|Other job|Base/);
});

test('lists the logs of the stages first, then the files, then what is missing and why', () => {
  const text = page({
    stages: [
      {
        attempt: 1,
        stage: 'testing',
        end: 'exited 1',
        startedAt: AT,
        endedAt: null,
        log: 'attempt-1/testing.log',
      },
      { attempt: 2, stage: 'stacking', end: null, startedAt: null, endedAt: null, log: null },
    ],
    files: [
      { path: 'worktree/logs/a.txt', bytes: 999, sha256: 'x', original: 'a<.txt' },
      { path: 'attempt-1/testing.log', bytes: 1_234_567, sha256: 'x', cutFrom: 9_950_000_000 },
    ],
    skippedFiles: [{ path: 'worktree/logs/pipe', why: 'a pipe' }],
    skipped: 3,
  });
  const order = ['./attempt-1/testing.log', './worktree/logs/a.txt', 'worktree/logs/pipe', 'And 2 more.'];
  const paths = order.map((part) => text.indexOf(part));
  expect(paths).toEqual([...paths].sort((a, b) => a - b));
  expect(paths[0]).toBeGreaterThan(0);
  expect(text.split('./attempt-1/testing.log').length).toBe(2);
  for (const part of ['1.2 MB', 'of 10 GB', '999 B', 'was a&lt;.txt', 'exited 1', 'unknown', 'a pipe']) {
    expect(text).toContain(part);
  }
});

test('shows what the job ran on and with, as far as it is known', () => {
  const server = { id: 'srv-1', name: 'sos-ci-1', address: 'ci@192.0.2.7:22/srv', provider: 'cloud' };
  const stages = {
    ansible: '2.19.3',
    devstack: 'd'.repeat(40),
    tempest: '41.0.0',
    proxy: true,
    preseed: true,
  };
  const files = [{ path: 'configuration.json', bytes: 1, sha256: '' }];
  const text = page({ environment: { server, facts: FACTS, stages }, publishedBy: '1.2.3', files });
  for (const part of [
    '<h2>Environment</h2>\n<dl>\n<dt>Provider</dt><dd>cloud (openstack)</dd>',
    '<dt>Server</dt><dd>sos-ci-1, srv-1</dd>',
    '<dt>Address</dt><dd>ci@192.0.2.7:22/srv</dd>',
    '<dt>Image</dt><dd>debian-12, image-1</dd>',
    '<dt>Flavor</dt><dd>m1.large, flavor-1</dd>',
    '<dt>System</dt><dd>Debian GNU/Linux 12, 6.1.0-44-amd64 x86_64</dd>',
    '<dt>Size</dt><dd>8 CPUs, 16.0 GiB of memory</dd>',
    '<dt>Ansible</dt><dd>2.19.3</dd>',
    `<dt>DevStack</dt><dd>${'d'.repeat(40)}</dd>`,
    '<dt>Tempest</dt><dd>41.0.0</dd>',
    '<dt>Stacked with</dt><dd>a caching proxy, preseeded files</dd>',
    '<dt>sos-ci</dt><dd>1.2.3</dd>',
    '<dt>Configuration</dt><dd><a href="./configuration.json">configuration.json</a></dd>',
  ])
    expect(text).toContain(part);
  const local = { ...server, id: 'sos-ci-1', address: '/var/lib/sos-ci/servers/sos-ci-1' };
  const unknown = page({ environment: { server: local, facts: null, stages: {} } });
  expect(unknown).toContain('<dl>\n<dt>Provider</dt><dd>cloud</dd>\n<dt>Server</dt><dd>sos-ci-1</dd>\n</dl>');
  expect(page()).not.toContain('Environment');
});

test('escapes all text from outside', () => {
  const nasty = fc.oneof(
    fc.string({
      unit: fc.constantFrom('<', '>', '&', '"', "'", 'script', ' ', '\u202e', '\0', 'javascript:'),
    }),
    fc.string({ unit: CODE_POINT }),
  );
  const marks = /[<>"']/g;
  const clean = page({
    files: [{ path: 'p', bytes: 1, sha256: '', original: 'o' }],
    skipped: 1,
    skippedFiles: [{ path: 's', why: 'w' }],
  });
  fc.assert(
    fc.property(nasty, (text) => {
      const patchset = {
        ...publishRequest().patchset,
        subject: text,
        project: text,
        branch: text,
        url: `https://${text}`,
      };
      const hostile = page({
        reason: `-${text}`,
        name: text,
        pipeline: text,
        patchset,
        files: [{ path: 'p', bytes: 1, sha256: '', original: text }],
        skipped: 1,
        skippedFiles: [{ path: text, why: text }],
      });
      expect(hostile.match(marks)?.join('')).toBe(clean.match(marks)?.join(''));
      expect(hostile).not.toMatch(/[\u202e\0]/);
    }),
    { numRuns: runs(300) },
  );
});

test('links only to http and https URLs', () => {
  const patchset = { ...publishRequest().patchset, url: 'javascript:alert(1)' };
  expect(page({ patchset })).not.toContain('javascript:');
});

test('keeps links inside the directory', () => {
  expect(linkTo('worktree/a b/javascript:x/%2e')).toBe('./worktree/a%20b/javascript%3Ax/%252e');
});

test('contains no script and loads nothing', () => {
  expect(page()).not.toMatch(/<script|src=|@import|url\(|onload/i);
});
