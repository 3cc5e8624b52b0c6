/** A fake daemon that gives one response, and records the requests of operators. */
import type { SendRequest } from '../../src/cli/input/daemon-client.ts';
import type { AnswerTo, OperatorRequest } from '../../src/engine/ports/operator-api.ts';

export interface FakeDaemon {
  readonly send: SendRequest;
  readonly requests: readonly OperatorRequest[];
}

export function fakeDaemon<R extends OperatorRequest>(answer: AnswerTo<R>): FakeDaemon {
  const requests: OperatorRequest[] = [];
  const send = (async (request: OperatorRequest) => {
    requests.push(request);
    return answer;
  }) as SendRequest;
  return { send, requests };
}

export const OPTIONS = { timeout: 1_000 };
