/** `sos-ci confirm`: accepts a restored or copied database as the one in use. */

import { confirmDatabase } from '../../app/database-admin.ts';
import type { StoreReader } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import { databaseIn } from '../input/open-store.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';

export interface ConfirmOptions {
  readonly yes?: boolean;
}

const MAX_COUNTED = 10_000;

/** Without --yes: only prints what confirming means for this database; exit code 1. */
export function confirmCommand(
  io: Io,
  stateDir: string,
  reader: StoreReader,
  options: ConfirmOptions,
): number {
  const jobs = reader.jobs({ open: true, limit: MAX_COUNTED }).length;
  const reviews = reader.reviews({ open: true, limit: MAX_COUNTED }).length;
  io.out(
    `${plainText(databaseIn(stateDir))}\n  ${count(jobs, 'open job')}, ${count(reviews, 'open review')}\n`,
  );
  if (options.yes !== true) {
    io.out('Once confirmed, the next daemon finishes these: it posts reviews that are not posted yet and\n');
    io.out('removes their servers. Make sure that no daemon uses the original, then: sos-ci confirm --yes\n');
    return EXIT.negative;
  }
  confirmDatabase(stateDir);
  io.out('confirmed: the daemon can start with it\n');
  return EXIT.ok;
}
