/**
 * One life of the stream: connect, `gerrit stream-events`, read until it ends, close. It resolves only when the
 * connection is gone, so that whoever starts the next one never holds two. A silent server is asked for its version
 * on the same connection before the connection is given up.
 */
import type { Clock } from '../../../engine/ports/adapters.ts';
import { errorText, OperationError } from '../../../errors.ts';
import { formatLimit } from '../../../machines/model/duration.ts';
import { sleep } from '../../../timer.ts';
import type { SshChannel, SshClient } from '../../ssh/client/client.ts';
import { runGerrit } from '../transport/ssh-command.ts';
import { connectToGerrit, type GerritOptions } from '../transport/ssh-connection.ts';
import type { LineIntake } from './event-reader.ts';

export interface Session {
  readonly options: GerritOptions;
  readonly clock: Clock;
  readonly intake: LineIntake;
  /** The stream is up: Gerrit has answered a question after it took the stream's command. */
  readonly connected: (version: string, connection: SshClient) => void;
  /** The server answers, and its stream has said nothing for long. */
  readonly silent: () => void;
  /** Aborted with a reason when the connection is to be made anew. */
  readonly restart: AbortSignal;
}

export interface SessionEnd {
  readonly why: string;
  readonly hint: string;
  /** It will not mend itself. */
  readonly permanent: boolean;
  /** How long the stream was up; 0: it never was. */
  readonly upMs: number;
}

const STDERR_LIMIT_CHARS = 500;
const VERSION_LIMIT_BYTES = 4_096;

export async function runSession(session: Session, signal: AbortSignal): Promise<SessionEnd> {
  const { options, clock } = session;
  let connection: SshClient | null = null;
  let upAt: number | null = null;
  try {
    await session.intake.room();
    connection = await connectToGerrit(options, clock, signal);
    await readStream(connection, session, signal, () => {
      upAt = clock.monotonic();
    });
    throw new Error('a stream does not end without a reason');
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    const upMs = upAt === null ? 0 : clock.monotonic() - upAt;
    return { why: error.message, hint: error.hint, permanent: !error.retryable, upMs };
  } finally {
    await connection?.close();
    session.intake.detach();
  }
}

/** Rejects with why the stream ended. Never resolves. */
async function readStream(
  connection: SshClient,
  session: Session,
  signal: AbortSignal,
  up: () => void,
): Promise<void> {
  const { options, intake } = session;
  const watch = new AbortController();
  let abort = (): void => {};
  let forget = (): void => {};
  const ended = new Promise<never>((_resolve, reject) => {
    abort = () => reject(streamError(options, 'the stream was stopped', ''));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    const again = (): void => reject(streamError(options, String(session.restart.reason), ''));
    session.restart.addEventListener('abort', again, { once: true });
    forget = connection.onClosed((error) => reject(error ?? streamError(options, 'connection closed', '')));
    connection
      .exec(
        'gerrit stream-events',
        (channel) => {
          intake.attach(channel);
          channelEnd(channel, options).then(reject, reject);
        },
        { timeoutMs: options.connectTimeoutMs, signal },
      )
      .then(async () => {
        const version = await askVersion(connection, session, watch.signal);
        if (watch.signal.aborted) return;
        up();
        session.connected(version, connection);
        await watchSilence(connection, session, watch.signal);
      })
      .catch(reject);
  });
  try {
    await ended;
  } finally {
    watch.abort();
    forget();
    signal.removeEventListener('abort', abort);
  }
}

/** Resolves with the reason when the channel ends. A status other than 0 is Gerrit's refusal of the command. */
export function channelEnd(channel: SshChannel, options: GerritOptions): Promise<OperationError> {
  return new Promise((resolve) => {
    let status: number | null = null;
    let stderr = '';
    channel.on('exit', (code: number | null) => {
      status = code;
    });
    channel.stderr.on('data', (chunk: Buffer) => {
      if (stderr.length < STDERR_LIMIT_CHARS) stderr += chunk.toString('utf8');
    });
    channel.on('error', (error: unknown) => resolve(streamError(options, errorText(error), '')));
    channel.on('close', () => {
      const said = stderr.slice(0, STDERR_LIMIT_CHARS).trim().replace(/\s+/g, ' ');
      if (status === null || status === 0) {
        resolve(streamError(options, `the server ended the stream${said === '' ? '' : `: ${said}`}`, ''));
        return;
      }
      resolve(
        new OperationError({
          operation: 'read stream',
          target: `${options.user}@${options.host}:${options.port}`,
          message: `Gerrit refuses the stream: ${said === '' ? `exit status ${status}` : said}`,
          retryable: false,
          hint: `give ${options.user} the global capability "Stream Events" (All-Projects, Access); on a site that you do not run, ask its operators`,
        }),
      );
    });
  });
}

async function askVersion(
  connection: SshClient,
  { options, intake }: Session,
  signal: AbortSignal,
): Promise<string> {
  const result = await runGerrit(
    connection,
    {
      argv: ['gerrit', 'version'],
      stdin: null,
      timeoutMs: options.connectTimeoutMs,
      maxStdoutBytes: VERSION_LIMIT_BYTES,
    },
    signal,
  );
  intake.alive();
  return result.stdout.trim().slice(0, 100);
}

/** Rejects when the server is silent and does not answer either; resolves when it need not watch any more. */
async function watchSilence(connection: SshClient, session: Session, signal: AbortSignal): Promise<void> {
  const { options, clock, intake } = session;
  while (!signal.aborted) {
    const leftMs = options.silenceMs - intake.silentMs();
    if (leftMs > 0) {
      await sleep(leftMs, signal, clock);
      continue;
    }
    try {
      await askVersion(connection, session, signal);
      session.silent();
    } catch (error) {
      throw streamError(
        options,
        `silent for ${formatLimit(intake.silentMs())}, and ${errorText(error)}`,
        'the connection is half dead or the server overloaded; it is made again by itself',
      );
    }
  }
}

function streamError(options: GerritOptions, message: string, hint: string): OperationError {
  const target = `${options.user}@${options.host}:${options.port}`;
  return new OperationError({ operation: 'read stream', target, message, retryable: true, hint });
}
