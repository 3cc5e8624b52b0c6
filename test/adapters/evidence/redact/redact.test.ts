/**
 * No byte of a secret is left, however the stream is split. The slow reference implementation below is the definition.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hider, REDACTED, Redactor, SecretSet } from '../../../../src/adapters/evidence/redact/redact.ts';
import { secretForms } from '../../../../src/adapters/evidence/redact/secret-encodings.ts';
import { runs } from '../../../fixtures/effort.ts';

describe('redaction', () => {
  test('replaces a secret with one mark', () => {
    expect(redact('login with hunter22, please', ['hunter22'])).toBe('login with [redacted], please');
  });

  test('covers secrets that overlap, contain one another or touch, completely and with one mark', () => {
    expect(redact('<abcdefgh>', ['abcde', 'defgh'])).toBe('<[redacted]>');
    expect(redact('<abcdefgh>', ['cdef', 'abcdefgh'])).toBe('<[redacted]>');
    expect(redact('<abcdabcd>', ['abcd'])).toBe('<[redacted]>');
    expect(redact('<aaaaaaaaa>', ['aaaa'])).toBe('<[redacted]>');
    expect(redact('<abcd abcd>', ['abcd'])).toBe('<[redacted] [redacted]>');
  });

  test('ignores secrets of one to three characters, and empty ones', () => {
    expect(redact('a ab abc', ['a', 'ab', 'abc', '', '\n'])).toBe('a ab abc');
    expect(new SecretSet(['abc']).empty).toBe(true);
  });

  test('accepts a secret without the line break at the end of its file', () => {
    expect(redact('x hunter22 y', ['hunter22\r\n'])).toBe('x [redacted] y');
  });

  test('finds the long lines of a multi-line secret, as in a log with timestamps', () => {
    const key =
      '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END KEY-----\n';
    const log = '01:00 MIIEvQIBADANBgkqhkiG9w0B\n01:01 AQEFAASCBKcwggSjAgEAAoIB\n';
    expect(redact(log, [key])).toBe('01:00 [redacted]\n01:01 [redacted]\n');
    expect(redact(`<${key.trim()}>`, [key])).toBe('<[redacted]>');
  });

  test('finds base64 at any offset in the encoded text', () => {
    for (const before of ['', 'a', 'ab', 'abc', 'admin:']) {
      for (const encoding of ['base64', 'base64url'] as const) {
        const header = Buffer.from(`${before}s3cr?t>p~ssword${before}`).toString(encoding);
        const out = redact(`Authorization: Basic ${header}`, ['s3cr?t>p~ssword']);
        expect(out).toContain(REDACTED);
        const left = out.replace('Authorization: Basic ', '').split(REDACTED);
        // At most the characters that are shared with the neighbours remain.
        expect(left.join('').length).toBeLessThanOrEqual(Math.ceil((before.length * 2 * 8) / 6) + 4);
      }
    }
  });

  test('finds URL-encoded, JSON, HTML and shell forms', () => {
    const secret = 'p@ss "w/rd\' & <more>';
    const forms = [
      encodeURIComponent(secret),
      encodeURIComponent(secret).toLowerCase(),
      new URLSearchParams({ v: secret }).toString().slice(2),
      JSON.stringify(secret).slice(1, -1),
      'p@ss &quot;w/rd&#39; &amp; &lt;more&gt;',
      `p@ss "w/rd'\\'' & <more>`,
    ];
    for (const form of forms) expect(redact(`[${form}]`, [secret])).toBe('[[redacted]]');
  });

  test('accepts any text as a secret, including lone surrogates', () => {
    expect(redact('x', ['\ud800abcd', '%%%%', '漢字漢字'])).toBe('x');
    expect(redact('<漢字漢字>', ['漢字漢字'])).toBe('<[redacted]>');
  });

  test('leaves other bytes unchanged', () => {
    const bytes = Buffer.from(Array.from({ length: 1024 }, (_, index) => index % 256));
    const redactor = new Redactor(new SecretSet(['hunter22']));
    const out = Buffer.concat([
      redactor.push(bytes),
      redactor.push(Buffer.from('hunter22')),
      redactor.push(bytes),
      redactor.end(),
    ]);
    expect(out.equals(Buffer.concat([bytes, Buffer.from(REDACTED), bytes]))).toBe(true);
  });

  test('buffers no more than one secret', () => {
    const redactor = new Redactor(new SecretSet(['hunter22']));
    const chunk = Buffer.alloc(1 << 16, 'h');
    let given = 0;
    for (let round = 1; round <= 20; round++) {
      given += redactor.push(chunk).length;
      expect(round * chunk.length - given).toBeLessThan(64);
    }
  });

  test('a truncated stream withholds what might be a partial secret', () => {
    const redactor = new Redactor(new SecretSet(['hunter22']));
    expect(redactor.push(Buffer.from('password hunter2')).toString()).not.toContain('hunter');
  });

  test('any chunks of any text with any secrets match the definition', () => {
    fc.assert(
      fc.property(secretsAndText, fc.array(fc.nat(40), { maxLength: 30 }), ([secrets, text], cuts) => {
        expect(inChunks(text, cuts, secrets).toString('latin1')).toBe(
          byDefinition(text, secrets).toString('latin1'),
        );
      }),
      { numRuns: runs(2000) },
    );
  });

  test('no secret remains in any text', () => {
    fc.assert(
      fc.property(secretsAndText, ([secrets, text]) => {
        const left = inChunks(text, [7], secrets).toString('latin1').split(REDACTED);
        for (const secret of secrets.filter((one) => one.length >= 4)) {
          for (const piece of left) expect(piece).not.toContain(Buffer.from(secret).toString('latin1'));
        }
      }),
      { numRuns: runs(500) },
    );
  });
});

/** Few letters, so that secrets overlap and occur often, plain and encoded. */
const letters = fc.string({ unit: fc.constantFrom('a', 'b', '/', 'é', '"'), maxLength: 9 });
const secretsAndText = fc.array(letters, { maxLength: 4 }).chain((secrets) => {
  const pieces = fc.oneof(
    letters,
    ...secrets.flatMap((secret) => [
      fc.constant(secret),
      fc.constant(Buffer.from(`u:${secret}`).toString('base64')),
      fc.constant(encodeURIComponent(secret)),
    ]),
  );
  const text = fc.array(pieces, { maxLength: 12 }).map((list) => Buffer.from(list.join(''), 'utf8'));
  return fc.tuple(fc.constant(secrets), text);
});

function redact(text: string, secrets: readonly string[]): string {
  return new SecretSet(secrets).text(text);
}

function inChunks(text: Buffer, cuts: readonly number[], secrets: readonly string[]): Buffer {
  const redactor = new Redactor(new SecretSet(secrets));
  const out: Buffer[] = [];
  let at = 0;
  for (const cut of cuts) {
    out.push(redactor.push(text.subarray(at, at + cut)));
    at += cut;
  }
  return Buffer.concat([...out, redactor.push(text.subarray(at)), redactor.end()]);
}

function byDefinition(text: Buffer, secrets: readonly string[]): Buffer {
  const covered = new Uint8Array(text.length);
  for (const form of secretForms(secrets)) {
    for (let at = text.indexOf(form); at !== -1; at = text.indexOf(form, at + 1)) {
      covered.fill(1, at, at + form.length);
    }
  }
  const out: Buffer[] = [];
  for (let at = 0; at < text.length; at++) {
    if (covered[at] === 0) out.push(text.subarray(at, at + 1));
    else if (at === 0 || covered[at - 1] === 0) out.push(Buffer.from(REDACTED));
  }
  return Buffer.concat(out);
}

describe('short texts', () => {
  const hide = hider({ values: ['hunter22'] });

  test.each([
    ['a configured secret', 'login with hunter22 failed', 'login with [redacted] failed'],
    ['the value of a key', 'refused: san_password=k3fjw8s9 (403)', 'refused: san_password=[redacted] (403)'],
    [
      'a password in a URL',
      'clone https://ci:s3same@git/x failed',
      'clone https://ci:[redacted]@git/x failed',
    ],
    [
      'a value wherever it occurs again',
      'got "token": "abcdef123456" for /abcdef123456/x',
      'got "token": "[redacted]" for /[redacted]/x',
    ],
    ['a short value with its key', 'set admin_password=abc1 first', 'set [redacted] first'],
    [
      'prose stays',
      'check gerrit.rest.password: it is the HTTP password',
      'check gerrit.rest.password: it is the HTTP password',
    ],
    [
      'nothing else is changed',
      'test_login[id-1]: expected 200, got 401',
      'test_login[id-1]: expected 200, got 401',
    ],
  ])('%s', (_name, text, hidden) => expect(hide(text)).toBe(hidden));
});
