/** One line for each tenth of a second: its number, this process, milliseconds since the first. */
import { appendFileSync } from 'node:fs';

const file = process.argv[2];
const start = performance.now();
let number = 0;
setInterval(() => {
  number += 1;
  appendFileSync(file, `${number} ${process.pid} ${Math.round(performance.now() - start)}\n`);
}, 100);
