/** Client of the control socket: sends one request to the daemon that runs on this state directory. */
import { connect } from 'node:net';
import type { AnswerTo, Operator, OperatorRequest } from '../../engine/ports/operator-api.ts';
import { OperationError } from '../../errors.ts';
import { after } from '../../timer.ts';
import { openAddress } from './address.ts';
import { ANSWER_LIMIT_BYTES, FORMAT, type Refusal, type RequestMessage, readAnswer } from './messages.ts';

export interface AskOptions {
  readonly stateDir: string;
  readonly operator: Operator;
  /** Time limit for the answer. The daemon may still carry out the request after a timeout. */
  readonly timeoutMs: number;
}

export type ResponseTo<R extends OperatorRequest> =
  | { readonly result: AnswerTo<R> }
  | { readonly refusal: Refusal };

/** @throws OperationError when no daemon is running there, or it does not answer */
export async function askDaemon<R extends OperatorRequest>(
  request: R,
  options: AskOptions,
): Promise<ResponseTo<R>> {
  const message: RequestMessage = { format: FORMAT, ...options.operator, request };
  const address = openAddress(options.stateDir);
  try {
    const line = await exchange(address.path, `${JSON.stringify(message)}\n`, options.timeoutMs);
    const answer = readAnswer<R['do']>(request.do, line);
    if (answer !== null) return answer;
    const hint = 'use the sos-ci of the same release as the daemon; sos-ci status shows which it is';
    throw failed(address.shown, 'the answer cannot be parsed', hint);
  } catch (thrown) {
    throw thrown instanceof ExchangeError ? operationError(thrown, address.shown) : thrown;
  } finally {
    address.close();
  }
}

/** The reason for a missing answer: a system error code, or one of ours. */
class ExchangeError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

function exchange(path: string, message: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const chunks: Buffer[] = [];
    let bytes = 0;
    const cancel = after(timeoutMs, () => finish(new ExchangeError('SILENT')));
    const finish = (error: ExchangeError | null) => {
      cancel();
      socket.destroy();
      if (error === null) resolve(Buffer.concat(chunks).toString('utf8'));
      else reject(error);
    };
    socket.on('connect', () => socket.end(message));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > ANSWER_LIMIT_BYTES) finish(new ExchangeError('TOO LONG'));
      else if (chunk.includes(0x0a)) finish(null);
    });
    socket.on('close', () => finish(new ExchangeError('GONE')));
    socket.on('error', (error: NodeJS.ErrnoException) => finish(new ExchangeError(error.code ?? 'GONE')));
  });
}

function operationError({ code }: ExchangeError, target: string): OperationError {
  const hint = 'check the result: sos-ci status, sos-ci jobs';
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return failed(target, 'no daemon is running for this state directory', 'start it: sos-ci daemon');
    case 'EACCES':
    case 'EPERM':
      return failed(
        target,
        'this socket belongs to another user',
        'run the command as the user who runs the daemon',
      );
    case 'SILENT':
      return failed(target, 'the daemon gave no answer in time', hint);
    case 'TOO LONG':
      return failed(target, `the daemon's answer is longer than ${ANSWER_LIMIT_BYTES} bytes`, hint);
    case 'GONE':
    case 'ECONNRESET':
    case 'EPIPE':
      return failed(target, 'the daemon exited before it answered', hint);
    default:
      return failed(target, `the request to the daemon failed: ${code}`, hint);
  }
}

function failed(target: string, message: string, hint: string): OperationError {
  return new OperationError({ operation: 'ask daemon', target, message, retryable: false, hint });
}
