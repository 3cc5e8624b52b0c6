/** Asks the running daemon what an operator wants of it, and says in the program's own words why that did not work. */
import { userInfo } from 'node:os';
import { askDaemon } from '../../adapters/control/client.ts';
import type { AnswerTo, OperatorRequest } from '../../engine/ports/operator-api.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';

export interface RequestOptions {
  readonly json?: boolean;
  /** Why; stands in the log. */
  readonly reason?: string;
  /** How long the answer is waited for. */
  readonly timeout: number;
}

/** The daemon, as far as a command needs it. @throws CliError when it refuses */
export type SendRequest = <R extends OperatorRequest>(request: R) => Promise<AnswerTo<R>>;

export function requestSender(stateDir: string, options: RequestOptions): SendRequest {
  const operator = { who: userName(), why: options.reason ?? '' };
  return async (request) => {
    const response = await askDaemon(request, { stateDir, operator, timeoutMs: options.timeout });
    if ('result' in response) return response.result;
    const { kind, message, hint } = response.refusal;
    throw new CliError(kind === 'unknown' ? EXIT.usage : EXIT.refused, plainText(message), plainText(hint));
  };
}

/** A user that the host has no name for is named by number. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
