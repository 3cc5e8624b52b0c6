/** Fetches one package from the mirror that mirror.json names, and puts it under installed/. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const { mirror, wait } = JSON.parse(readFileSync('mirror.json', 'utf8'));
const name = process.argv[2];
const url = `${mirror}/${name}?job=${process.env.SOS_CI_JOB}`;

try {
  const response = await fetch(url, { signal: AbortSignal.timeout(wait) });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const text = await response.text();
  mkdirSync('installed', { recursive: true });
  writeFileSync(`installed/${name}`, text);
  console.log(`installed ${name}, ${text.length} bytes, from ${mirror}`);
} catch (error) {
  console.error(`package mirror ${mirror} does not respond: ${error.cause?.code ?? error.message}`);
  process.exitCode = 1;
}
