/**
 * Another process for the tests of lock and store. `lock FILE` tries to take the daemon's lock for each line on
 * standard input, prints the result and holds it; `write FILE` appends jobs until it is killed, and prints the
 * number of log rows of each job once they are durable.
 */
import { createInterface } from 'node:readline';
import { takeLock } from '../../../src/adapters/sqlite/lock.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { errorText } from '../../../src/errors.ts';
import { addJobs } from './rig.ts';

const [what, file = ''] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);
say('ready');

if (what === 'lock') {
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      takeLock(file, Number(line));
      say('taken');
    } catch (thrown) {
      say(errorText(thrown));
    }
  }
} else {
  const store = openStore(file);
  for (;;) {
    say(String(await addJobs(store, 1)));
    // Yields, so that the reader can keep up and can kill the process between two appends or during one.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
