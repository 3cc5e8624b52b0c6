import { describe, expect, test } from 'vitest';
import { printVerified, type Verified } from '../../../src/cli/commands/verify.ts';
import { fakeIo } from '../../fakes/io.ts';

const VALID: Verified = { histories: 2, rows: 40, differences: [], schema: [], views: [] };
const DAMAGED: Verified = { ...VALID, differences: [{ history: 'j1\u001b[2J', version: 3, field: 'hash' }] };
const STALE: Verified = { ...VALID, views: ['- job_view {"id":"j1"}', '+ job_view {"id":"j2"}'] };

function verify(found: Verified, json = false) {
  const io = fakeIo({ width: 60 });
  const exit = printVerified(io, found, 7, { json });
  return { exit, text: io.stdout() };
}

describe('verify', () => {
  test('of a valid store', () => {
    expect(verify(VALID)).toEqual({
      exit: 0,
      text: 'sound: hash chains and views match; 40 rows of 2 histories, in 7ms\n',
    });
  });

  test('of a damaged log names each history', () => {
    expect(verify(DAMAGED)).toEqual({
      exit: 1,
      text: 'damaged: 1 history of the log; sound: 40 rows of 2 histories, in 7ms\n  j1\\x1b[2J, row 3: hash\nCompare one: sos-ci replay ID. Restore a backup, and keep this file for the analysis.\n',
    });
  });

  test('of stale views names the command that rebuilds them', () => {
    expect(verify(STALE)).toEqual({
      exit: 1,
      text: 'views differ from the log, which is sound; 40 rows of 2 histories, in 7ms\n  - job_view {"id":"j1"}\n  + job_view {"id":"j2"}\nRebuild them: stop the daemon, then sos-ci rebuild\n',
    });
  });

  test('of a log without its triggers fails, although its rows are valid', () => {
    expect(verify({ ...VALID, schema: ['- trigger event_rows_stay'] })).toEqual({
      exit: 1,
      text: 'the schema was changed: its triggers protect the rows of the log\n  - trigger event_rows_stay\nFind out who changed it, and restore a backup. - is missing, + differs from what sos-ci created.\n',
    });
  });

  test.each([
    [VALID, 0, true],
    [{ ...VALID, schema: ['- trigger event_rows_stay'] }, 1, false],
    [DAMAGED, 1, false],
    [STALE, 1, false],
  ])('as JSON', (found, exit, sound) => {
    const answer = verify(found, true);
    expect(answer.exit).toBe(exit);
    expect(JSON.parse(answer.text)).toEqual({ format: 1, sound, ms: 7, ...found });
  });
});
