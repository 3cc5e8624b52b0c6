/**
 * A program that accepts mail like sendmail: records its arguments, its environment and its input, and ends as
 * requested.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ReceivedMail {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly data: string;
}

const SCRIPT = `
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
const [, , directory, ...argv] = process.argv;
const plan = join(directory, 'plan');
const exit = existsSync(plan) ? readFileSync(plan, 'utf8') : '0';
if (existsSync(plan)) rmSync(plan);
if (exit === 'hang') { writeFileSync(join(directory, 'hangs'), String(process.pid)); setInterval(() => {}, 60_000); process.on('SIGTERM', () => {}); }
else {
  const data = readFileSync(0, 'utf8');
  if (exit === '0') {
    const name = join(directory, process.hrtime.bigint() + '-' + process.pid);
    writeFileSync(name + '.new', JSON.stringify({ argv, environment: process.env, data }));
    renameSync(name + '.new', name + '.mail');
  } else process.stderr.write('no thanks\\n');
  process.exitCode = Number(exit);
}
`;

export class MailProgram {
  readonly directory = mkdtempSync(join(tmpdir(), 'sos-ci-mail-'));
  readonly #script = join(this.directory, 'program.mjs');

  constructor() {
    writeFileSync(this.#script, SCRIPT);
  }

  get argv(): readonly string[] {
    return [process.execPath, this.#script, this.directory];
  }

  /** How its next run ends: an exit status, or not at all. */
  next(plan: number | 'hang'): void {
    writeFileSync(join(this.directory, 'plan'), String(plan));
  }

  /** The received mails, oldest first. */
  get received(): readonly ReceivedMail[] {
    return readdirSync(this.directory)
      .filter((name) => name.endsWith('.mail'))
      .sort()
      .map((name) => JSON.parse(readFileSync(join(this.directory, name), 'utf8')));
  }

  /** Process id of a hanging run; null: none hangs. */
  get hanging(): number | null {
    const names = readdirSync(this.directory);
    return names.includes('hangs') ? Number(readFileSync(join(this.directory, 'hangs'), 'utf8')) : null;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
