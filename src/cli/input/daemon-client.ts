/** Sends an operator's request to the running daemon, and reports refusals as CLI errors. */
import { userInfo } from 'node:os';
import { askDaemon } from '../../adapters/control/client.ts';
import type { AnswerTo, Operator, OperatorRequest } from '../../engine/ports/operator-api.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';

export interface RequestOptions {
  readonly json?: boolean;
  /** Recorded in the log. */
  readonly reason?: string;
  /** How long to wait for the daemon, ms. */
  readonly timeout: number;
}

/** @throws CliError when the daemon refuses or does not answer */
export type SendRequest = <R extends OperatorRequest>(request: R) => Promise<AnswerTo<R>>;

export function requestSender(stateDir: string, options: RequestOptions): SendRequest {
  const operator = operatorOf(options);
  return async (request) => {
    const response = await askDaemon(request, { stateDir, operator, timeoutMs: options.timeout });
    if ('result' in response) return response.result;
    const { kind, message, hint } = response.refusal;
    throw new CliError(kind === 'unknown' ? EXIT.usage : EXIT.refused, plainText(message), plainText(hint));
  };
}

/** Who calls this command, and why. */
export function operatorOf({ reason }: Pick<RequestOptions, 'reason'>): Operator {
  return { who: userName(), why: reason ?? '' };
}

/** The uid when the host has no name for it. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
