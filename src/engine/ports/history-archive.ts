/** The files that keep histories after they left the database. */
import type { ArchivedHistory, ArchiveFile } from '../../machines/system/archive.ts';
import type { NumberedRow } from './store.ts';

/** A history in an archive file. */
export interface ArchiveEntry extends ArchivedHistory {
  /** What people know a job by; '' for other histories. */
  readonly title: string;
}

/** What an archive file says about itself, before the rows. */
export interface ArchiveHead {
  readonly number: number;
  /** When it was written, epoch ms. */
  readonly at: number;
  readonly histories: readonly ArchiveEntry[];
}

/** Numbered files; a number is written again only while no row of the log accounts for it. */
export interface HistoryArchive {
  /** Durable when it resolves; replaces a file of this number. @throws OperationError */
  write(head: ArchiveHead, rows: readonly NumberedRow[]): Promise<ArchiveFile>;
  /** Ascending. @throws OperationError */
  numbers(): Promise<readonly number[]>;
  /** A missing file is success. @throws OperationError */
  remove(number: number): Promise<void>;
}
