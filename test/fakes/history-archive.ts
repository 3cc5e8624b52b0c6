/** Archive files in memory. */
import type { ArchiveHead, HistoryArchive } from '../../src/engine/ports/history-archive.ts';
import type { NumberedRow } from '../../src/engine/ports/store.ts';
import { sha256 } from '../machines/simulator.ts';

export class FakeHistoryArchive implements HistoryArchive {
  readonly files = new Map<number, { readonly head: ArchiveHead; readonly rows: readonly NumberedRow[] }>();

  async write(head: ArchiveHead, rows: readonly NumberedRow[]): ReturnType<HistoryArchive['write']> {
    this.files.set(head.number, { head, rows });
    const text = JSON.stringify({ head, rows });
    return { number: head.number, sha256: sha256(text), bytes: text.length };
  }

  async numbers(): Promise<readonly number[]> {
    return [...this.files.keys()].sort((a, b) => a - b);
  }

  async remove(number: number): Promise<void> {
    this.files.delete(number);
  }

  /** All rows that are archived. */
  get rows(): readonly NumberedRow[] {
    return [...this.files.values()].flatMap(({ rows }) => rows);
  }
}
