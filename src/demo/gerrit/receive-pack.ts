/**
 * The server side of `git push`: advertises the branches, reads the commands, lets the real git unpack the objects, and
 * reports for each ref. push.ts accepts or rejects it. (https://git-scm.com/docs/pack-protocol)
 */
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { PushCommand, PushResult } from './push.ts';
import { gitEnvironment, type Repository } from './repository.ts';
import { NO_REVISION } from './state.ts';

const CAPABILITIES = 'report-status side-band-64k delete-refs quiet ofs-delta agent=sos-ci-demo';
const MAX_COMMANDS_BYTES = 64 * 1024;
const BAND_BYTES = 60_000;

/** Serves one push from the first byte to the report. */
export async function receivePack(
  repository: Repository,
  input: Readable,
  output: Writable,
  decide: (command: PushCommand) => Promise<PushResult>,
): Promise<void> {
  await advertise(repository, output);
  const { commands, rest } = await readCommands(input);
  if (commands.length === 0) return;
  const unpacked = commands.some((command) => command.newRev !== NO_REVISION)
    ? await unpack(repository, rest, input)
    : 'ok';
  const report = [packet(`unpack ${unpacked}\n`)];
  for (const command of commands) {
    const result: PushResult =
      unpacked === 'ok' ? await decide(command) : { rejected: 'unpacker error', lines: [] };
    for (const line of result.lines) output.write(band(2, `${line}\n`));
    report.push(
      packet(result.rejected === null ? `ok ${command.ref}\n` : `ng ${command.ref} ${result.rejected}\n`),
    );
  }
  output.write(band(1, `${report.join('')}0000`));
  output.write('0000');
}

async function advertise(repository: Repository, output: Writable): Promise<void> {
  const lines = [...(await repository.refs('refs/heads/'))].map(([ref, revision]) => `${revision} ${ref}`);
  if (lines.length === 0) lines.push(`${NO_REVISION} capabilities^{}`);
  lines[0] = `${lines[0]}\0${CAPABILITIES}`;
  output.write(`${lines.map((line) => packet(`${line}\n`)).join('')}0000`);
}

/** The requested updates, and the bytes that were read after them. */
function readCommands(input: Readable): Promise<{ commands: PushCommand[]; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let buffer = Buffer.alloc(0);
    const commands: PushCommand[] = [];
    const done = (result: () => void): void => {
      input.pause();
      input.off('data', onData);
      input.off('end', onEnd);
      input.off('close', onEnd);
      result();
    };
    const onEnd = (): void => done(() => resolve({ commands: [], rest: Buffer.alloc(0) }));
    const onData = (chunk: Buffer): void => {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= 4) {
        const length = Number.parseInt(buffer.toString('latin1', 0, 4), 16);
        if (length === 0) {
          done(() => resolve({ commands, rest: buffer.subarray(4) }));
          return;
        }
        if (!(length >= 4) || buffer.length > MAX_COMMANDS_BYTES) {
          done(() => reject(new Error('bad packet')));
          return;
        }
        if (buffer.length < length) return;
        const line = buffer.toString('utf8', 4, length).replace(/\0.*$/s, '').trimEnd();
        const [oldRev = '', newRev = '', ref = ''] = line.split(' ');
        if (/^[0-9a-f]{40}$/.test(oldRev) && /^[0-9a-f]{40}$/.test(newRev)) {
          commands.push({ oldRev, newRev, ref });
        }
        buffer = buffer.subarray(length);
      }
    };
    input.on('data', onData);
    input.on('end', onEnd);
    input.on('close', onEnd);
  });
}

/** `ok`, or git's error. git detects the end of the pack. */
function unpack(repository: Repository, first: Buffer, input: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', ['unpack-objects', '-q', '--strict'], {
      cwd: repository.directory,
      env: gitEnvironment(),
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let error = '';
    child.stderr.on('data', (chunk: Buffer) => {
      if (error.length < 4096) error += chunk.toString('utf8');
    });
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => {
      input.unpipe(child.stdin);
      input.resume();
      resolve(code === 0 ? 'ok' : error.split('\n')[0] || `git exited ${code}`);
    });
    child.stdin.write(first);
    input.pipe(child.stdin);
  });
}

function packet(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
}

function band(number: 1 | 2, text: string): Buffer {
  const bytes = Buffer.from(text);
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += BAND_BYTES) {
    const part = bytes.subarray(at, at + BAND_BYTES);
    const head = (part.length + 5).toString(16).padStart(4, '0');
    parts.push(Buffer.from(head), Buffer.from([number]), part);
  }
  return Buffer.concat(parts);
}
