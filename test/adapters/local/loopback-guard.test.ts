/** The Gerrit servers whose patchsets may run on this host without configuration. */
import { describe, expect, it } from 'vitest';
import { assertLoopbackGerrit } from '../../../src/adapters/local/loopback-guard.ts';
import { OperationError } from '../../../src/errors.ts';

describe('assertLoopbackGerrit', () => {
  it.each(['127.0.0.1', '127.255.1.2', '::1', '[::1]', 'localhost', 'LOCALHOST'])('trusts %s', (host) => {
    expect(() => assertLoopbackGerrit(host, { allowUntrustedCode: false, user: null })).not.toThrow();
  });

  it.each([
    'review.opendev.org',
    '127.0.0.1.example.org',
    '127.example.org',
    'localhost.example.org',
    '0.0.0.0',
    '10.0.0.1',
    '::',
    '128.0.0.1',
    '',
  ])('refuses %j until it is allowed', (host) => {
    expect(() => assertLoopbackGerrit(host, { allowUntrustedCode: false, user: null })).toThrow(
      OperationError,
    );
    expect(() => assertLoopbackGerrit(host, { allowUntrustedCode: true, user: null })).not.toThrow();
    // The code runs as a separate account.
    expect(() => assertLoopbackGerrit(host, { allowUntrustedCode: false, user: 'ci' })).not.toThrow();
  });

  it('has a hint', () => {
    expect(() =>
      assertLoopbackGerrit('review.opendev.org', { allowUntrustedCode: false, user: null }),
    ).toThrow(
      expect.objectContaining({
        retryable: false,
        hint: expect.stringContaining('allowUntrustedCode: true'),
      }),
    );
  });
});
