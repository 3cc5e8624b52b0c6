/** A job of the built program whose tests fail, with logs as DevStack writes them, published behind a real nginx. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { encodePacket } from '../../adapters/results/subunit/streams.ts';
import { startWebServer, type WebServer } from '../../fixtures/web-servers.ts';
import { Testbed } from '../testbed.ts';

export const FAILED_TEST =
  'tempest.api.volume.test_volumes_snapshots.VolumesSnapshotTestJSON.test_snapshot_delete';
const SKIPPED_TEST = 'tempest.api.volume.test_volumes_backup.VolumesBackupsTest.test_backup_restore';
const PASSED = Array.from(
  { length: 24 },
  (_, index) => `tempest.api.volume.test_volumes_list.VolumesList.test_${index}`,
);

const TRACEBACK = `Traceback (most recent call last):
  File "/opt/stack/tempest/tempest/api/volume/test_volumes_snapshots.py", line 104, in test_snapshot_delete
    self.snapshots_client.wait_for_resource_deletion(snapshot['id'])
  File "/opt/stack/tempest/tempest/lib/common/rest_client.py", line 958, in wait_for_resource_deletion
    raise exceptions.TimeoutException(message)
tempest.lib.exceptions.TimeoutException: Request timed out
Details: (VolumesSnapshotTestJSON:test_snapshot_delete) Failed to delete volume-snapshot 7b1c within the required time (196 s).
`;

export interface FailedJob {
  /** The address in the comment on the change. */
  readonly link: string;
  readonly server: WebServer;
  close(): Promise<void>;
}

export async function publishFailedJob(): Promise<FailedJob> {
  const base = mkdtempSync(join(tmpdir(), 'sos-ci-browser-'));
  chmodSync(base, 0o755);
  const [site, input] = [join(base, 'site'), join(base, 'input')];
  for (const directory of [site, input]) mkdirSync(directory, { mode: 0o755 });
  writeFileSync(join(input, 'testr.subunit'), subunit());
  writeFileSync(join(input, 'output'), output());
  writeFileSync(join(input, 'c-vol.txt.gz'), gzipSync(serviceLog()));
  writeFileSync(
    join(input, 'cinder.conf'),
    '[DEFAULT]\nenabled_backends = acme-1\nsan_password = kT7#mm2pQx\n',
  );
  const server = await startWebServer('nginx', site);
  const testbed = await Testbed.start();
  const testCase = await testbed.newCase({
    stacking: 'echo "2026-11-29 18:00:00.000 | stack.sh completed in 1462 seconds."\n',
    testing: `mkdir logs; cp '${input}/testr.subunit' '${input}/c-vol.txt.gz' '${input}/cinder.conf' logs/
cat '${input}/output'\nexit 1\n`,
    results: '{format: subunit, file: logs/testr.subunit}',
    job: '    logs: [logs]\n',
    top: `logs: {dir: ${site}, url: '${server.url}'}\n`,
  });
  const daemon = await testCase.startDaemon();
  const change = await testCase.push('Delete a snapshot only once');
  await testCase.eventually('the review is posted', () => testCase.allEnded());
  const link = new RegExp(`${server.url}/\\S+`).exec(testCase.messages(change).join('\n'))?.[0];
  await daemon.stop();
  const close = async () => {
    await testCase.close();
    await testbed.stop();
    await server.close();
    rmSync(base, { recursive: true, force: true });
  };
  if (link === undefined) throw new Error(`no link in: ${testCase.messages(change).join('\n')}`);
  return { link, server, close };
}

function subunit(): Buffer {
  const attach = (testId: string, fileName: string, text: string) =>
    encodePacket({ testId, fileName, content: Buffer.from(text), mimeType: 'text/plain' });
  const id = `${FAILED_TEST}[id-f1e1c1b0,smoke]`;
  return Buffer.concat([
    ...PASSED.map((testId) => encodePacket({ testId, status: 'success' })),
    encodePacket({ testId: id, status: 'inprogress', seconds: 100 }),
    attach(id, 'traceback', TRACEBACK),
    attach(
      id,
      'pythonlogging',
      'Request (VolumesSnapshotTestJSON:test_snapshot_delete): 202 DELETE\n'.repeat(40),
    ),
    encodePacket({ testId: id, status: 'fail', seconds: 298 }),
    attach(SKIPPED_TEST, 'reason', 'Cinder backup feature disabled'),
    encodePacket({ testId: SKIPPED_TEST, status: 'skip' }),
  ]);
}

function output(): string {
  return [
    ...PASSED.map((id, index) => `{${index % 4}} ${id} [${(index % 7) / 10 + 0.2}s] ... ok`),
    `{0} ${SKIPPED_TEST} ... SKIPPED: Cinder backup feature disabled`,
    `{1} ${FAILED_TEST} [198.412s] ... FAILED`,
    '',
    'Captured traceback:',
    ...TRACEBACK.trimEnd()
      .split('\n')
      .map((line) => `    ${line}`),
    '',
    '======',
    'Totals',
    '======',
    'Ran: 26 tests in 412.7 sec.',
    ' - Passed: 24',
    ' - Skipped: 1',
    ' - Failed: 1',
    '',
  ].join('\n');
}

/** 900 records as journald exports them, four of them warnings, and an error with a traceback. */
function serviceLog(): string {
  const lines: string[] = [];
  for (let index = 0; index < 900; index++) {
    const time = `Nov 29 18:${String(Math.floor(index / 60) % 60).padStart(2, '0')}:${String(index % 60).padStart(2, '0')}.123456`;
    const record = (level: string, text: string) =>
      lines.push(
        `${time} node devstack@c-vol.service[4242]: ${level} cinder.volume.manager [None req-${index} demo None] ${text}`,
      );
    if (index % 250 === 7) record('WARNING', 'Back end acme-1 answered after 4.2 s');
    else if (index % 3 === 0) record('INFO', `Volume vol-${index} created successfully.`);
    else record('DEBUG', `Lock "acme-1" acquired by "manager" :: waited 0.00${index % 10}s`);
    if (index !== 600) continue;
    record('ERROR', 'Delete snapshot 7b1c failed: snapshot is busy');
    lines.push(
      'Traceback (most recent call last):',
      '  File "acme.py", line 88, in delete_snapshot',
      'acme.Busy: 7b1c',
    );
  }
  return `${lines.join('\n')}\n`;
}
