/**
 * One long poll of a run on a node: copies new log data, and returns when the run has ended or when it must be polled
 * again. When the connection is cut, it rejects with `NodeUnreachable`, and the mirror has all data received so far.
 */
import { randomBytes } from 'node:crypto';
import type { RunOutcome } from '../../engine/ports/adapters.ts';
import { errorText, OperationError } from '../../errors.ts';
import { every } from '../../timer.ts';
import { parseEnding } from '../run/run-directory.ts';
import type { SshChannel, SshClient } from './client/client.ts';
import { runNodeScript, scriptCommand, scriptText } from './command.ts';
import { commandLine } from './connection.ts';
import { NodeUnreachable } from './connection-failure.ts';
import type { RunMirror } from './run-mirror.ts';

export interface RunPoll {
  readonly connection: SshClient;
  /** The run's directory on the node. */
  readonly directory: string;
  readonly mirror: RunMirror;
  readonly signal: AbortSignal;
  /** Called when the node has answered. */
  readonly alive: () => void;
  readonly commandTimeoutMs: number;
  /** The interval between checks that the run still exists. */
  readonly slowPollMs: number;
}

const SCRIPT = new URL('./follow.sh', import.meta.url);
/** The script's exit codes. */
const [ENDED, CHANGED, GONE] = [0, 3, 4];
/** The limit for output of start-up files before the script begins, and for the script's standard error. */
const NOISE_LIMIT_BYTES = 64 * 1024;
const MAX_AGE_SECONDS = 10 * 365 * 86_400;

/** Null: the run must be polled again. */
export async function pollRun(poll: RunPoll): Promise<RunOutcome | null> {
  const token = randomBytes(8).toString('hex');
  const args = scriptCommand(token, [poll.directory, String(poll.mirror.offset ?? '-')]);
  const channel = await openChannel(poll, args);
  const close = () => channel.close();
  poll.signal.addEventListener('abort', close, { once: true });
  if (poll.signal.aborted) close();
  const cancel = every(poll.slowPollMs, () => void checkStillRunning(poll, close));
  try {
    const result = collectEnd(channel);
    await copyLog(channel, token, poll);
    const { status, text } = await result;
    if (status === CHANGED) return null;
    if (status === GONE)
      return { how: 'lost', why: 'all its processes are gone and none recorded how it ended' };
    if (status === ENDED) return await ending(text, token, poll.mirror);
    throw cutOff(
      poll.connection.target,
      status === null ? 'it was cut off' : `exit status ${status}: ${text}`,
    );
  } finally {
    cancel();
    poll.signal.removeEventListener('abort', close);
    close();
  }
}

async function openChannel(poll: RunPoll, args: readonly string[]): Promise<SshChannel> {
  const { connection, commandTimeoutMs, signal } = poll;
  return new Promise((resolve, reject) => {
    const attach = (channel: SshChannel): void => {
      channel.on('error', () => {});
      // Standard input is never ended: the script treats its end as the end of the daemon.
      channel.write(scriptText(SCRIPT));
      resolve(channel);
    };
    connection.exec(commandLine(args), attach, { timeoutMs: commandTimeoutMs, signal }).catch(reject);
  });
}

/** Backpressure: reading waits for the disk, and the node's sending waits for the reading. */
async function copyLog(channel: SshChannel, token: string, poll: RunPoll): Promise<void> {
  const { target } = poll.connection;
  const chunks: AsyncIterator<Buffer> = channel[Symbol.asyncIterator]();
  let noise: Buffer | null = Buffer.alloc(0);
  for (;;) {
    const { value, done } = await chunks.next().catch((error: unknown) => {
      throw cutOff(target, errorText(error));
    });
    if (done === true) return;
    let part: Buffer = value;
    if (noise !== null) {
      noise = Buffer.concat([noise, part]);
      const begin = noise.indexOf(`${token}\n`);
      if (begin < 0 && noise.length > NOISE_LIMIT_BYTES) throw cutOff(target, 'the script did not start');
      if (begin < 0) continue;
      part = noise.subarray(begin + token.length + 1);
      noise = null;
      poll.alive();
    }
    // The next poll requests no log.
    if (!(await poll.mirror.append(part))) throw cutOff(target, 'it is full');
  }
}

function collectEnd(channel: SshChannel): Promise<{ readonly status: number | null; readonly text: string }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  let status: number | null = null;
  channel.stderr.on('data', (chunk: Buffer) => {
    // Keeps the end of the output.
    chunks.push(chunk);
    bytes += chunk.length;
    while (bytes - (chunks[0]?.length ?? 0) > NOISE_LIMIT_BYTES) bytes -= chunks.shift()?.length ?? 0;
  });
  channel.on('exit', (code: number | null) => {
    status = code;
  });
  return new Promise((resolve) => {
    channel.once('close', () => resolve({ status, text: Buffer.concat(chunks).toString('latin1') }));
  });
}

/**
 * Parses `BEGAN ENDED NOW RC`: the start and end of the run and the current time, by the node's clock, which may be
 * wrong; and how the run ended.
 */
async function ending(text: string, token: string, mirror: RunMirror): Promise<RunOutcome> {
  const result = text.slice(text.indexOf(`${token}\n`) + token.length + 1);
  const [, began, ended, now, rc] =
    /^(\d{1,12}\.\d{1,9}) (\d{1,12}\.\d{1,9}) (\d{1,12}\.\d{1,9}) ([\s\S]{1,64})$/.exec(result) ?? [];
  if (rc === undefined) {
    return { how: 'lost', why: 'the node reported an invalid ending' };
  }
  const outcome = parseEnding(rc);
  if (outcome.how === 'lost') return outcome;
  await mirror.sync();
  const endedAgo = within(Number(now) - Number(ended));
  const beganAgo = within(Number(now) - Number(began));
  await mirror.saveEnding(rc, { endedAgo, beganAgo: Math.max(beganAgo, endedAgo) });
  return outcome;
}

function within(seconds: number): number {
  return Math.min(Math.max(seconds, 0), MAX_AGE_SECONDS);
}

/** Ends the poll when it has missed the end of the run. The keepalive detects a node that is gone. */
async function checkStillRunning(poll: RunPoll, close: () => void): Promise<void> {
  try {
    const command = {
      operation: 'check stage',
      script: SCRIPT,
      args: [poll.directory, 'look'],
      timeoutMs: poll.commandTimeoutMs,
    };
    const { status } = await runNodeScript(poll.connection, command, poll.signal);
    if (status === ENDED || status === GONE) close();
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
  }
}

function cutOff(target: string, why: string): NodeUnreachable {
  return new NodeUnreachable({
    operation: 'follow stage',
    target,
    message: `the log of the stage on ${target}: ${errorText(why).trim().slice(-300)}`,
    retryable: true,
    hint: 'sos-ci retries automatically',
    unreachable: true,
  });
}
