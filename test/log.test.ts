import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createLog, type LogOptions } from '../src/log.ts';

function capture(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({ level: 'info', destination: { write: (line) => lines.push(line) }, ...options });
  return { log, lines };
}

const TIME = /^\d\d:\d\d:\d\dZ /;

describe('JSON lines', () => {
  test('contain one object each, with the name of the level and UTC time', () => {
    const { log, lines } = capture();
    log.child({ job: 'j1' }).warn({ attempt: 2 }, 'server leaked');
    expect(lines).toHaveLength(1);
    const { time, ...rest } = JSON.parse(lines[0] ?? '');
    expect(rest).toEqual({ level: 'warn', job: 'j1', attempt: 2, msg: 'server leaked' });
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  test('below the configured level are not written', () => {
    const { log, lines } = capture();
    log.debug({}, 'detail');
    expect(lines).toEqual([]);
  });

  test('can be written to a file', () => {
    const dir = mkdtempSync(join(tmpdir(), 'sos-log-'));
    cleanups.push(() => rmSync(dir, { recursive: true }));
    const file = join(dir, 'deep', 'sos-ci.log');
    createLog({ level: 'info', destination: { file } }).info({ a: 1 }, 'up');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ level: 'info', a: 1, msg: 'up' });
  });
});

describe('secrets', () => {
  const secret = 'p"ss\\w0rd\nline two';

  test('do not appear in fields, keys, messages, JSON inside a string, an error or its cause', () => {
    const { log, lines } = capture({ secrets: { values: ['w0rd', secret, '', '123456'] } });
    const failed = new Error(`login with ${secret} refused`, { cause: new Error(secret) });
    log.info(
      { [secret]: secret, deep: [{ text: JSON.stringify({ secret }) }], pin: 9123456 },
      `is ${secret}`,
    );
    log.error({ err: failed }, 'failed');
    const all = lines.join('');
    expect(all).not.toContain('w0rd');
    expect(all).not.toContain('line two');
    expect(all).not.toContain('123456');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ pin: '9[redacted]', msg: 'is [redacted]' });
    expect(JSON.parse(lines[1] ?? '').err.message).toContain('login with [redacted] refused');
  });

  test('do not appear in pretty lines', () => {
    const { log, lines } = capture({ secrets: { values: [secret] }, pretty: true });
    log.info({ secret }, secret);
    expect((lines[0] ?? '').replace(TIME, '')).toBe('INFO  [redacted]  secret="[redacted]"\n');
  });
});

describe('pretty lines', () => {
  test('are short, in UTC, with the hint on its own line', () => {
    const { log, lines } = capture({ pretty: true });
    log.error({ target: 'review:29418', hint: 'add the key in Gerrit' }, 'login refused');
    expect((lines[0] ?? '').replace(TIME, '')).toBe(
      'ERROR login refused  target=review:29418\n          -> add the key in Gerrit\n',
    );
  });

  test('have colour only if enabled', () => {
    const { log, lines } = capture({ pretty: true, color: true });
    log.info({}, 'up');
    expect(lines[0]).toContain('\u001b[32mINFO \u001b[0m up');
  });

  test('contain no terminal control characters', () => {
    const { log, lines } = capture({ pretty: true });
    const hostile = '\u001b[2J\u009b31m\u202eevil\r\n';
    log.info({ subject: hostile, [hostile]: 1, err: new Error(hostile), hint: hostile }, hostile);
    const text = (lines[0] ?? '').replaceAll('\n          -> ', ' ').slice(0, -1);
    expect(text).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(text).toContain('\\x1b[2J\\x9b31m\\u202eevil\\r\\n');
  });
});

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});
