/** The sample comment of a third-party CI, as Gerrit returns it. */
import type { Reader, Reading } from '../../../src/machines/comment/parsers/parsed-comment.ts';

export const COMMENT = `\
Build failed (check pipeline). How to rerun and whom to ask: https://wiki.openstack.org/wiki/ThirdPartySystems/Example_Storage_CI

- example-dsvm-iscsi https://logs.example.org/26/111226/3/check/example-dsvm-iscsi/0a1b2c3/ : SUCCESS in 1h 02m 03s
- example-dsvm-fc https://logs.example.org/26/111226/3/check/example-dsvm-fc/0a1b2c4/ : FAILURE in 58m 10s`;

/** Reads the text below Gerrit's own header line of a message with a vote. */
export function read(reader: Reader, text: string, author = 'Example Storage CI'): Reading | null {
  return reader({ author, text: `Patch Set 3: Verified-1\n\n${text}` });
}

export function names(reading: Reading | null): readonly string[] {
  return (reading?.jobs ?? []).map(({ name, verdict }) => `${name} ${verdict}`);
}
