/** Hostile projects, branches, refs and commits that would be passed to git: each is rejected, or means only itself. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { addressOf, branchRef, checkPatchset, checkRevision } from '../../src/adapters/git/fetch-url.ts';
import { OperationError } from '../../src/errors.ts';
import { needs } from '../fixtures/needs.ts';
import { HOSTILE_TEXTS } from './strings.ts';

const GERRIT = { host: 'review.example.org', port: 29418, user: 'acme-ci', fetchUrl: null };

/** The result of `make`, or null if it rejects its input with an error that is not retryable. Rethrows other errors. */
function orNullIfRejected<T>(make: () => T): T | null {
  try {
    return make();
  } catch (thrown) {
    if (thrown instanceof OperationError && !thrown.retryable) return null;
    throw thrown;
  }
}

describe('hostile texts', () => {
  test.each([null, 'https://mirror.example.org/{project}.git', 'file:///srv/git/{project}'])(
    'as a project, fetched from %s: a URL of that project below that base',
    (fetchUrl) => {
      const accepted = HOSTILE_TEXTS.flatMap((text) => {
        const address = orNullIfRejected(() => addressOf({ ...GERRIT, fetchUrl }, text));
        return address === null ? [] : [{ text, address }];
      });
      expect(accepted.length).toBeGreaterThan(HOSTILE_TEXTS.length / 100);
      for (const { text, address } of accepted) {
        const template = fetchUrl ?? 'ssh://acme-ci@review.example.org:29418/{project}';
        expect(address.url).toBe(template.split('{project}').join(text));
        const { pathname, host, search, hash } = new URL(address.url);
        expect(pathname.endsWith(fetchUrl?.endsWith('.git') === true ? `/${text}.git` : `/${text}`)).toBe(
          true,
        );
        expect([host, search, hash]).toEqual([new URL(template).host, '', '']);
      }
    },
  );

  needs('git').test('as a branch: each accepted ref is valid for git and contains no pattern', () => {
    const accepted = new Set(
      HOSTILE_TEXTS.flatMap((text) => orNullIfRejected(() => branchRef('openstack/cinder', text)) ?? []),
    );
    expect(accepted.size).toBeGreaterThan(HOSTILE_TEXTS.length / 100);
    for (const ref of accepted) {
      expect(ref.startsWith('refs/heads/')).toBe(true);
      expect(ref).not.toMatch(/[ :*?[^~\\]|\.\.|^refs\/heads\/-|@\{/);
    }
    for (const ref of [...accepted].slice(0, 300)) {
      const { status, stderr } = spawnSync('git', ['check-ref-format', ref]);
      expect([ref, status, String(stderr)]).toEqual([ref, 0, '']);
    }
  });

  test('as a ref or a commit: only those that Gerrit creates are accepted', () => {
    const one = { change: 912345, patchset: 3, ref: 'refs/changes/45/912345/3', revision: 'a'.repeat(40) };
    const [refs, revisions] = [new Set<string>(), new Set<string>()];
    for (const text of [...HOSTILE_TEXTS, one.ref, `${one.ref}\n`, one.revision, `${one.revision}\n`]) {
      if (orNullIfRejected(() => checkPatchset({ ...one, ref: text }) ?? text) !== null) refs.add(text);
      if (orNullIfRejected(() => checkPatchset({ ...one, revision: text }) ?? text) !== null)
        revisions.add(text);
      if (orNullIfRejected(() => checkRevision(text) ?? text) !== null) revisions.add(text);
    }
    expect([...refs]).toEqual([one.ref]);
    expect([...revisions]).toEqual([one.revision]);
  });
});
