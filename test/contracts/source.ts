/** The contract of sources: git, or a fake. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EffectOf, Source } from '../../src/engine/ports/adapters.ts';
import { OperationError } from '../../src/errors.ts';
import type { Patchset, Server } from '../../src/machines/model/domain.ts';

export interface SourceHarness {
  readonly source: Source;
  readonly server: Server;
  /** Two patchsets of one change. */
  readonly first: Patchset;
  readonly second: Patchset;
  /** Revision of the server's work tree now; null: none. */
  held(): Promise<string | null>;
  close(): Promise<void>;
}

export function sourceContract(name: string, start: () => Promise<SourceHarness>): void {
  describe(`source contract: ${name}`, () => {
    let harness: SourceHarness;
    const signal = new AbortController().signal;
    const asUploaded = (patchset: Patchset): EffectOf<'fetchPatchset'> => ({
      type: 'fetchPatchset',
      key: 'fetch',
      server: harness.server,
      patchset,
      trees: [],
      timeoutMs: 60_000,
    });

    beforeEach(async () => {
      harness = await start();
    });
    afterEach(() => harness.close());

    test('fetches exactly the patchset', async () => {
      const { source, first, held } = harness;
      expect(await source.fetch(asUploaded(first), signal)).toBe(first.revision);
      expect(await held()).toBe(first.revision);
    });

    test('starts from scratch when it is called again', async () => {
      const { source, first, second, held } = harness;
      await source.fetch(asUploaded(first), signal);
      expect(await source.fetch(asUploaded(second), signal)).toBe(second.revision);
      expect(await held()).toBe(second.revision);
      expect(await source.fetch(asUploaded(first), signal)).toBe(first.revision);
      expect(await held()).toBe(first.revision);
    });

    test('fetches nothing after an abort', async () => {
      const { source, first, held } = harness;
      await expect(source.fetch(asUploaded(first), AbortSignal.abort())).rejects.toBeInstanceOf(
        OperationError,
      );
      expect(await held()).toBeNull();
    });
  });
}
