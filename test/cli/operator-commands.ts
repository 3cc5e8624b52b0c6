/** A daemon that answers operators as the test requires, and records their requests. */
import type { SendRequest } from '../../src/cli/input/daemon-client.ts';
import type { AnswerTo, OperatorRequest } from '../../src/engine/ports/operator-api.ts';

export interface FakeDaemon {
  readonly ask: SendRequest;
  readonly asked: readonly OperatorRequest[];
}

export function answering<R extends OperatorRequest>(answer: AnswerTo<R>): FakeDaemon {
  const asked: OperatorRequest[] = [];
  const ask = (async (request: OperatorRequest) => {
    asked.push(request);
    return answer;
  }) as SendRequest;
  return { ask, asked };
}

export const OPTIONS = { timeout: 1_000 };
