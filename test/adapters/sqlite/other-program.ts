/**
 * Another process for the tests of lock and store: `lock FILE` takes the daemon's lock for each line that it is told,
 * says what came of it and holds it; `write FILE` appends jobs until it is killed and says how many are durable.
 */
import { createInterface } from 'node:readline';
import { takeLock } from '../../../src/adapters/sqlite/lock.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { errorText } from '../../../src/errors.ts';
import { grown } from './rig.ts';

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
    say(String(await grown(store, 1)));
    // Its reader must be able to keep up, and to stop it between two appends or in one.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
