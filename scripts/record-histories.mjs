/**
 * Writes the stories of test/machines/stories.ts to test/histories/NAME.jsonl, one log row per line. Keeps existing
 * files: histories are recorded once and replayed forever. `--again` overwrites all of them, which is allowed only
 * before the first release, while the machines still change.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { importTypeScript } from './import-typescript.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const again = process.argv.includes('--again');
const { stories } = await importTypeScript(root, 'test/machines/stories.ts');
for (const [name, story] of Object.entries(stories)) {
  const file = join(root, 'test/histories', `${name}.jsonl`);
  if (existsSync(file) && !again) continue;
  write(file, story().log);
}
const altered = join(root, 'test/histories/altered.jsonl');
if (!existsSync(altered) || again) write(altered, stories['failing-test']().log.map(forgeSuccess));

function write(file, rows) {
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  console.log(`${basename(file)}: ${rows.length} rows`);
}

/** Turns the reported failure of the job into a success, a difference that replay must detect. */
function forgeSuccess(row) {
  if (row.type !== 'job.reported') return row;
  return { ...row, data: { report: { ...row.data.report, verdict: 'SUCCESS', reason: '' } } };
}
