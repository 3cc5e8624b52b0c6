/** `sos-ci schema COMMAND`: the JSON Schema of what a command prints with `--json`. */
import { z } from 'zod';
import { nearest } from '../../config/file/config-error.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';
import { DOCUMENTS } from '../schemas/documents.ts';

/** @param words a command with its form, such as `job`, `alarms ack` or `explain CHANGE`; without any, lists all of them */
export function schemaCommand(io: Io, words: readonly string[]): number {
  const names = Object.keys(DOCUMENTS);
  if (words.length === 0) {
    for (const name of names) io.out(`${name}\n`);
    return EXIT.ok;
  }
  const name = words.join(' ');
  const found = Object.entries(DOCUMENTS).find(([known]) => known === name);
  if (found === undefined) {
    const suggestion = nearest(name, names);
    const hint = suggestion === null ? 'list them: sos-ci schema' : `did you mean ${suggestion}?`;
    throw new CliError(EXIT.usage, `no document ${plainText(JSON.stringify(name))}`, hint);
  }
  io.out(`${JSON.stringify({ title: `sos-ci ${name} --json`, ...jsonSchemaOf(found[1]) }, null, 2)}\n`);
  return EXIT.ok;
}

/** Other keys are allowed: a later release may add them. */
function jsonSchemaOf(document: z.ZodType): object {
  return z.toJSONSchema(document, { io: 'input', reused: 'ref' });
}
