/**
 * One session of the stream: connect, run `gerrit stream-events`, read until it ends, close. Resolves only after the
 * connection has closed, so that two sessions never overlap. When the server is silent, it is queried for its version
 * on the same connection before the connection is dropped.
 */
import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  ignoreElements,
  lastValueFrom,
  merge,
  Observable,
  repeat,
  tap,
  throwError,
} from 'rxjs';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { afterDelay } from '../../../engine/ports/delay.ts';
import { errorText, OperationError } from '../../../errors.ts';
import { formatLimit } from '../../../machines/model/duration.ts';
import type { SshChannel, SshClient } from '../../ssh/client/client.ts';
import { runGerrit } from '../transport/ssh-command.ts';
import { connectToGerrit, type GerritOptions } from '../transport/ssh-connection.ts';
import type { EventReader } from './event-reader.ts';

export interface Session {
  readonly options: GerritOptions;
  readonly clock: Clock;
  readonly intake: EventReader;
  /** Called when the stream is up: Gerrit has answered a query after it accepted the stream command. */
  readonly connected: (version: string, connection: SshClient) => void;
  /** Called when the server answers but its stream has been silent for long. */
  readonly silent: () => void;
  /** Aborted with a reason to force a reconnect. */
  readonly restart: AbortSignal;
}

export interface SessionEnd {
  readonly why: string;
  readonly hint: string;
  /** Retrying soon cannot fix it. */
  readonly permanent: boolean;
  /** How long the stream was up; 0 when it never was. */
  readonly upMs: number;
}

const STDERR_LIMIT_CHARS = 500;
const VERSION_LIMIT_BYTES = 4_096;

export async function runSession(session: Session, signal: AbortSignal): Promise<SessionEnd> {
  const { options, clock } = session;
  let connection: SshClient | null = null;
  let upAt: number | null = null;
  try {
    await session.intake.waitForSpace();
    connection = await connectToGerrit(options, clock, signal);
    await lastValueFrom(
      streamUntilError(connection, session, signal, () => {
        upAt = clock.monotonic();
      }),
    );
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

/** Errors with the first reason for which the stream ends. Emits nothing. */
function streamUntilError(
  connection: SshClient,
  session: Session,
  signal: AbortSignal,
  onUp: () => void,
): Observable<never> {
  const { options } = session;
  return merge(
    failOnAbort(signal, () => streamError(options, 'the stream was stopped', '')),
    failOnAbort(session.restart, (why) => streamError(options, why, '')),
    failOnClose(connection, options),
    openStream(connection, session, signal).pipe(
      concatMap(() => queryVersion(connection, session)),
      tap((version) => {
        onUp();
        session.connected(version, connection);
      }),
      concatMap(() => watchSilence(connection, session)),
    ),
  );
}

function failOnAbort(signal: AbortSignal, failure: (why: string) => OperationError): Observable<never> {
  return new Observable((subscriber) => {
    const abort = (): void => subscriber.error(failure(String(signal.reason)));
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    return () => signal.removeEventListener('abort', abort);
  });
}

function failOnClose(connection: SshClient, options: GerritOptions): Observable<never> {
  return new Observable((subscriber) =>
    connection.onClosed((error) => subscriber.error(error ?? streamError(options, 'connection closed', ''))),
  );
}

/** Emits when Gerrit has accepted the command; errors when the stream ends. */
function openStream(
  connection: SshClient,
  { options, intake }: Session,
  signal: AbortSignal,
): Observable<void> {
  return new Observable((subscriber) => {
    const fail = (error: unknown): void => subscriber.error(error);
    const attach = (channel: SshChannel): void => {
      intake.attach(channel);
      channelEnd(channel, options).then(fail, fail);
    };
    const bounds = { timeoutMs: options.connectTimeoutMs, signal };
    connection.exec('gerrit stream-events', attach, bounds).then(() => subscriber.next(), fail);
  });
}

/** Resolves with the reason when the channel ends. A nonzero exit status means that Gerrit refused the command. */
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
      const detail = stderr.slice(0, STDERR_LIMIT_CHARS).trim().replace(/\s+/g, ' ');
      if (status === null || status === 0) {
        resolve(streamError(options, `the server ended the stream${detail === '' ? '' : `: ${detail}`}`, ''));
        return;
      }
      resolve(
        new OperationError({
          operation: 'read stream',
          target: `${options.user}@${options.host}:${options.port}`,
          message: `Gerrit refuses the stream: ${detail === '' ? `exit status ${status}` : detail}`,
          retryable: false,
          hint: `give ${options.user} the global capability "Stream Events" (All-Projects, Access); on a site that you do not run, ask its operators`,
        }),
      );
    });
  });
}

/** Emits Gerrit's version once. Unsubscribing cancels the query. */
function queryVersion(connection: SshClient, { options, intake }: Session): Observable<string> {
  return new Observable((subscriber) => {
    const abort = new AbortController();
    const command = {
      argv: ['gerrit', 'version'],
      stdin: null,
      timeoutMs: options.connectTimeoutMs,
      maxStdoutBytes: VERSION_LIMIT_BYTES,
    };
    runGerrit(connection, command, abort.signal).then(
      ({ stdout }) => {
        intake.alive();
        subscriber.next(stdout.trim().slice(0, 100));
        subscriber.complete();
      },
      (error: unknown) => subscriber.error(error),
    );
    return () => abort.abort();
  });
}

/** Errors when the server is silent and does not answer a query either. Emits nothing. */
function watchSilence(connection: SshClient, session: Session): Observable<never> {
  const { options, clock, intake } = session;
  const leftMs = (): number => options.streamIdleTimeoutMs - intake.silentMs();
  const checkServer = queryVersion(connection, session).pipe(
    tap(() => session.silent()),
    catchError((error: unknown) =>
      throwError(() =>
        streamError(
          options,
          `silent for ${formatLimit(intake.silentMs())}, and ${errorText(error)}`,
          'the connection is broken or the server is overloaded; sos-ci reconnects automatically',
        ),
      ),
    ),
  );
  return defer(() => afterDelay(clock, Math.max(leftMs(), 0))).pipe(
    concatMap(() => (leftMs() > 0 ? EMPTY : checkServer)),
    ignoreElements(),
    repeat(),
  );
}

function streamError(options: GerritOptions, message: string, hint: string): OperationError {
  const target = `${options.user}@${options.host}:${options.port}`;
  return new OperationError({ operation: 'read stream', target, message, retryable: true, hint });
}
