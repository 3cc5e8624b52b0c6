/** Operators' requests that are kept for a test, which sets the answers; `hold` answers later. */
import type {
  Operator,
  OperatorAnswers,
  OperatorRequest,
  Operators,
} from '../../src/engine/ports/operator-api.ts';

type Answer = OperatorAnswers[OperatorRequest['do']];

export class FakeOperators implements Operators {
  /** What was asked, in its order. */
  readonly asked: { readonly request: OperatorRequest; readonly operator: Operator }[] = [];
  /** What is answered; throw what is to be thrown. */
  answer: (request: OperatorRequest) => Answer | Promise<Answer> = () => ({ pid: 42, version: '1.2.3' });
  #waiting: (() => void)[] = [];

  async perform(request: OperatorRequest, operator: Operator): Promise<Answer> {
    this.asked.push({ request, operator });
    for (const wake of this.#waiting.splice(0)) wake();
    return this.answer(request);
  }

  /** Resolves when so much has been asked. */
  async count(times: number): Promise<void> {
    while (this.asked.length < times) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }
}
