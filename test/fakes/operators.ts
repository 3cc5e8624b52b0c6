/** Records the requests of operators. Tests set the answers. */
import type {
  Operator,
  OperatorAnswers,
  OperatorRequest,
  Operators,
} from '../../src/engine/ports/operator-api.ts';

type Answer = OperatorAnswers[OperatorRequest['do']];

export class FakeOperators implements Operators {
  /** The requests, in order. */
  readonly requests: { readonly request: OperatorRequest; readonly operator: Operator }[] = [];
  /** Computes the answer, or throws. */
  answer: (request: OperatorRequest) => Answer | Promise<Answer> = () => ({ pid: 42, version: '1.2.3' });
  #waiting: (() => void)[] = [];

  async perform(request: OperatorRequest, operator: Operator): Promise<Answer> {
    this.requests.push({ request, operator });
    for (const wake of this.#waiting.splice(0)) wake();
    return this.answer(request);
  }

  /** Resolves when this many requests have been made. */
  async count(times: number): Promise<void> {
    while (this.requests.length < times) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }
}
