/** A recorded history as the source of an analysis. */
import { readerSource } from '../../src/cli/input/history-source.ts';
import { fakeReader } from '../fakes/reader.ts';
import { rowsOf } from '../machines/recorded.ts';

/** All histories of a file in test/histories. */
export function recordedSource(...files: readonly string[]) {
  const rows = files
    .flatMap((file) => rowsOf(`${file}.jsonl`))
    .map((row, index) => ({ ...row, seq: index + 1 }));
  return readerSource(fakeReader({ rows }));
}
