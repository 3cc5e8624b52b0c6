import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect, test } from 'vitest';
import { hostKeyError } from '../../../src/adapters/openssh/host-key-error.ts';
import {
  findKnownHost,
  fingerprint,
  hostKeyAlgorithms,
  judgeHostKey,
  readKnownHost,
} from '../../../src/adapters/openssh/known-hosts.ts';
import { needs } from '../../fixtures/needs.ts';
import { blobOf, hashed, keys, Site } from '../gerrit/site.ts';

const site = new Site();
afterAll(() => site.remove());

const file = '/home/ci/.ssh/known_hosts';
const ed = keys.ed25519.public;
const find = (text: string, host = 'review.example.org', port = 29418) =>
  findKnownHost(text, { file, host, port });
const types = (text: string, host?: string, port?: number) => find(text, host, port).keys.map((k) => k.type);

describe('findKnownHost', () => {
  test.each([
    ['host and port', `[review.example.org]:29418 ${ed}`],
    ['any case', `[Review.Example.ORG]:29418 ${ed}`],
    ['one of several names', `other,[review.example.org]:29418,192.0.2.1 ${ed}`],
    ['wildcards', `[*.example.???]:29418 ${ed}`],
    ['hashed', `${hashed('[review.example.org]:29418')} ${ed}`],
    ['the bare name, as ssh falls back to it', `review.example.org ${ed}`],
    ['a comment and tabs', `[review.example.org]:29418\t${ed} someone's comment`],
    ['after comments and junk', `# x\n\n|9|x|y junk\nbroken\n[review.example.org]:29418 ${ed}\r\n`],
  ])('%s', (_what, text) => {
    expect(types(text)).toEqual(['ssh-ed25519']);
  });

  test.each([
    ['another port', `[review.example.org]:2222 ${ed}`],
    ['another host', `[review.example.com]:29418 ${ed}`],
    ['a longer name', `[a.review.example.org]:29418 ${ed}`],
    ['a negated pattern', `[*.example.org]:29418,![review.example.org]:29418 ${ed}`],
    ['another hash', `${hashed('[review.example.com]:29418')} ${ed}`],
    ['a certificate authority', `@cert-authority [review.example.org]:29418 ${ed}`],
    ['an unknown marker', `@trusted [review.example.org]:29418 ${ed}`],
    ['no key', '[review.example.org]:29418 ssh-ed25519 '],
    ['an invalid key', '[review.example.org]:29418 ssh-ed25519 AAAA'],
    ['a comment', `#[review.example.org]:29418 ${ed}`],
  ])('not %s', (_what, text) => {
    expect(types(text)).toEqual([]);
  });

  test('port 22 uses the bare name', () => {
    expect(types(`review.example.org ${ed}`, 'review.example.org', 22)).toEqual(['ssh-ed25519']);
    expect(types(`${hashed('review.example.org')} ${ed}`, 'review.example.org', 22)).toEqual(['ssh-ed25519']);
  });

  test('entries with the port override those of the bare name', () => {
    const text = `review.example.org ${keys.rsa.public}\n[review.example.org]:29418 ${ed}`;
    expect(types(text)).toEqual(['ssh-ed25519']);
  });

  test('matches a pattern with many stars in bounded time', () => {
    expect(types(`${'*a'.repeat(2_000)} ${ed}`, 'a'.repeat(250), 22)).toEqual([]);
  });

  test('finds no host in a missing file, and reports a directory with a hint', async () => {
    expect((await readKnownHost(`${site.directory}/none`, 'h', 22)).keys).toEqual([]);
    await expect(readKnownHost(site.directory, 'h', 22)).rejects.toMatchObject({
      operation: 'read known_hosts',
      retryable: false,
    });
  });

  needs('ssh-keygen').test('hashes names like ssh-keygen', async () => {
    const path = site.file('hashed_hosts', `[review.example.org]:29418 ${ed}\n`);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', path], { stdio: 'ignore' });
    const known = await readKnownHost(path, 'review.example.org', 29418);
    expect(known.keys.map((key) => key.type)).toEqual(['ssh-ed25519']);
  });
});

describe('judgeHostKey', () => {
  const known = find(
    `[review.example.org]:29418 ${ed}\n@revoked * ${keys.otherEd25519.public}\n[review.example.org]:29418 ${keys.rsa.public}`,
  );

  test('requests only the known types, rsa without SHA-1', () => {
    expect(hostKeyAlgorithms(known)).toEqual(['ssh-ed25519', 'rsa-sha2-512', 'rsa-sha2-256']);
    expect(hostKeyAlgorithms(find(`[review.example.org]:29418 ${keys.rsa.public}`))).toEqual([
      'rsa-sha2-512',
      'rsa-sha2-256',
    ]);
    expect(hostKeyAlgorithms(find(''))).toEqual([]);
  });

  test('distinguishes known, changed, unknown and revoked keys', () => {
    expect(judgeHostKey(known, blobOf(ed))).toBe('known');
    expect(judgeHostKey(known, blobOf(keys.account.public))).toBe('changed');
    expect(judgeHostKey(known, blobOf(keys.otherEd25519.public))).toBe('revoked');
    expect(judgeHostKey(find(''), blobOf(ed))).toBe('unknown');
  });

  test('a key that differs from that of the bare host is unknown for another port, as in ssh', () => {
    const bare = `review.example.org ${ed}`;
    expect(judgeHostKey(find(bare), blobOf(ed))).toBe('known');
    expect(judgeHostKey(find(bare), blobOf(keys.account.public))).toBe('unknown');
    expect(judgeHostKey(find(bare, 'review.example.org', 22), blobOf(keys.account.public))).toBe('changed');
  });

  test('a revoked key is refused even if another line still holds it', () => {
    const both = find(`[review.example.org]:29418 ${ed}\n@revoked [review.example.org]:29418 ${ed}`);
    expect(judgeHostKey(both, blobOf(ed))).toBe('revoked');
  });

  needs('ssh-keygen').test('prints fingerprints as ssh-keygen does', () => {
    const path = site.file('key.pub', `${ed}\n`);
    const printed = execFileSync('ssh-keygen', ['-l', '-f', path], { encoding: 'utf8' });
    expect(printed.split(' ')[1]).toBe(fingerprint(blobOf(ed)));
  });

  test('an unknown key is shown, with the line that adds it', () => {
    const error = hostKeyError(find(''), blobOf(ed), 'unknown');
    expect(error).toMatchObject({
      operation: 'verify host key',
      target: 'review.example.org:29418',
      retryable: false,
    });
    expect(error.message).toContain(`ssh-ed25519 ${fingerprint(blobOf(ed))}`);
    expect(error.message).toContain(file);
    expect(error.hint).toBe(
      `compare the fingerprint with the server's operator, then: ssh-keyscan -p 29418 review.example.org >> ${file}`,
    );
  });

  test('a changed key is shown next to the known one and its line', () => {
    const error = hostKeyError(known, blobOf(keys.account.public), 'changed');
    expect(error.message).toContain(fingerprint(blobOf(keys.account.public)));
    expect(error.message).toContain(`${fingerprint(blobOf(ed))} (line 1)`);
    expect(error.hint).toContain(`ssh-keygen -R '[review.example.org]:29418' -f ${file}`);
  });

  test('a file name with a space or a quote can be pasted', () => {
    const odd = findKnownHost('', { file: "/tmp/it's a/known_hosts", host: 'h', port: 22 });
    expect(hostKeyError(odd, blobOf(ed), 'unknown').hint).toContain(">> '/tmp/it'\\''s a/known_hosts'");
  });
});
