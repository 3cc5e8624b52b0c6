/** Limits the evidence that waits for publication: past the limit the oldest publications are dropped. */
import { versionOf } from '../../machines/versions.ts';
import type { Engine } from '../loop/engine.ts';

export async function boundPublications(
  engine: Pick<Engine, 'histories' | 'submit'>,
  limitBytes: number,
): Promise<void> {
  const open = [...engine.histories.values()]
    .flatMap((stored) => {
      const held = versionOf(stored).pendingEvidence(stored)?.held ?? null;
      return held === null ? [] : [{ stored, ...held }];
    })
    .sort((one, other) => one.since - other.since);
  let bytes = open.reduce((sum, held) => sum + held.bytes, 0);
  const dropped = open.filter((held) => {
    if (bytes <= limitBytes) return false;
    bytes -= held.bytes;
    return true;
  });
  if (dropped.length === 0) return;
  const why = `dropped: more than ${limitBytes} bytes wait to be published, and this is the oldest`;
  await engine.submit(
    dropped.map(({ stored: { history } }) => ({
      history,
      event: { type: 'publication.dropped', why },
      settles: null,
      causationId: null,
    })),
  );
}
