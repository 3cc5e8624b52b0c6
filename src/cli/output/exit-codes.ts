/**
 * Exit codes that scripts may rely on (docs/cli.md), and the error that carries one. A negative answer is not an error:
 * commands return it.
 */
import type { Verdict } from '../../machines/model/verdict.ts';

export const EXIT = {
  ok: 0,
  /** The answer is no: a difference, a damaged log, no running daemon. */
  negative: 1,
  usage: 2,
  config: 3,
  store: 4,
  /** The other side is unreachable or refused. */
  refused: 5,
  /** A bug in this program. */
  internal: 70,
  /** `wait --timeout` is over, as timeout(1) reports it. */
  timedOut: 124,
  interrupted: 130,
  /** The reader of standard output closed it before the result was known, as if SIGPIPE had ended the command. */
  brokenPipe: 141,
} as const;

/** The exit codes of `sos-ci run`. */
export const VERDICT_EXIT: Readonly<Record<Verdict, number>> = {
  SUCCESS: 0,
  FAILURE: 1,
  TIMED_OUT: 10,
  NODE_FAILURE: 11,
  POST_FAILURE: 12,
  RETRY_LIMIT: 13,
  ABORTED: 14,
  MERGER_FAILURE: 15,
  SKIPPED: 16,
};

/** Ends the command with an exit code, a message, and one line that says what to do next. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  readonly hint: string;

  constructor(exitCode: number, message: string, hint = '') {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}
