/**
 * Deletes what is in a cloud and not in ./saved_state.json. Runs `tempest cleanup` only if a dry run lists nothing but
 * what is in ./leftovers.json, and no more resources than the limit. Ends when a dry run lists none: Tempest also exits
 * with 0 when a deletion failed or is still going on.
 * The last line of the output is the reason for a failure.
 *
 * Arguments: the limit, the interval of dry runs, the timeout without progress (both in ms), and the program `tempest`.
 */
import { spawn } from 'node:child_process';
import { lstatSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const DRY_RUN = 'dry_run.json';
/** A hundred thousand resources take about 20 MB. */
const MAX_BYTES = 64 * 1024 ** 2;

const [limit = 0, pollMs = 0, progressTimeoutMs = 0] = process.argv.slice(2, 5).map(Number);
const program = process.argv[5] ?? 'tempest';

try {
  await clean();
} catch (error) {
  console.log(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

async function clean() {
  const found = await dryRun();
  console.log(`${found.count} resources to delete${found.text}`);
  if (found.count > limit)
    throw new Error(`refused: a dry run lists ${found.count} resources, more than ${limit}${found.text}`);
  if (found.count === 0) return;
  refuseOthers(found.resources);
  await tempest();
  await untilGone();
}

async function untilGone() {
  let fewest = Number.POSITIVE_INFINITY;
  let progressAt = performance.now();
  for (;;) {
    const { count, text } = await dryRun();
    console.log(`${count} resources are left${text}`);
    if (count === 0) return;
    if (count < fewest) {
      fewest = count;
      progressAt = performance.now();
    } else if (performance.now() - progressAt >= progressTimeoutMs) {
      throw new Error(`tempest cleanup left ${count} resources${text}`);
    }
    await sleep(pollMs);
  }
}

/** What `tempest cleanup` would delete. */
async function dryRun() {
  rmSync(DRY_RUN, { force: true });
  await tempest('--dry-run');
  const resources = Object.entries(readObject(DRY_RUN)).flatMap(([kind, listed]) => {
    // The quotas of these projects are reset; nothing is deleted.
    if (kind === '_projects_to_clean') return [];
    if (typeof listed !== 'object' || listed === null)
      throw new Error(`refused: ${DRY_RUN} has no list of ${shown(kind)}`);
    const items = Object.values(listed);
    return items.length === 0 ? [] : [{ kind, items }];
  });
  const count = resources.reduce((sum, { items }) => sum + items.length, 0);
  const list = resources.map(({ kind, items }) => `${kind} ${items.length}`).join(', ');
  return { count, resources, text: list === '' ? '' : `: ${list.slice(0, 500)}` };
}

/** The dry run came after leftovers.json: it can list less, but nothing else. */
function refuseOthers(resources) {
  const leftovers = readObject('leftovers.json');
  for (const { kind, items } of resources) {
    const known = new Set(Object.hasOwn(leftovers, kind) ? leftovers[kind] : []);
    for (const item of items) {
      const id = item?.keypair === undefined ? item?.id : item.keypair.name;
      if (!known.has(id))
        throw new Error(
          `refused: a dry run lists ${shown(id)} among the ${shown(kind)}, which sos-ci did not find there, or had saved`,
        );
    }
  }
}

function readObject(file) {
  const info = lstatSync(file, { throwIfNoEntry: false });
  if (info === undefined || !info.isFile()) throw new Error(`refused: there is no ${file}`);
  if (info.size > MAX_BYTES) throw new Error(`refused: ${file} is larger than 64 MB`);
  let parsed;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    throw new Error(`refused: ${file} is not JSON`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new Error(`refused: ${file} is not an object`);
  return parsed;
}

function shown(value) {
  return String(JSON.stringify(value)).slice(0, 100);
}

/** Resolves when it exited with 0. */
function tempest(...options) {
  const argv = ['cleanup', ...options];
  const name = `tempest ${argv.join(' ')}`;
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', (error) => reject(new Error(`${name} cannot be run: ${error.code}`)));
    child.once('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${name} failed: ${code === null ? signal : `exit code ${code}`}`));
    });
  });
}
