/**
 * Writes the stories of test/machines/stories.ts down as test/histories/NAME.jsonl, one row of the log a line. A file
 * that is there already stays: histories are recorded once and replayed forever. Before the first release the
 * machines still change; then `--again` writes all of them again.
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
if (!existsSync(altered) || again) write(altered, stories['failing-test']().log.map(whitewashed));

function write(file, rows) {
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  console.log(`${basename(file)}: ${rows.length} rows`);
}

/** What replay must find: the job reported a failure, and the row says that it was a success. */
function whitewashed(row) {
  if (row.type !== 'job.reported') return row;
  return { ...row, data: { report: { ...row.data.report, verdict: 'SUCCESS', reason: '' } } };
}
