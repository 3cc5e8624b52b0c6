/**
 * An answer of Gerrit's that is not known: the connection broke, the time was over, or what came back says nothing.
 * Over SSH and over REST alike it says whether Gerrit may have got the whole request, because only then must a review
 * be looked for before it is sent again.
 */
import { OperationError, type OperationErrorFields } from '../../../errors.ts';

export class UnknownOutcomeError extends OperationError {
  /** True: the server may have the whole request, and may still act on it. */
  readonly sent: boolean;

  constructor(fields: OperationErrorFields, sent: boolean) {
    super(fields);
    this.sent = sent;
  }
}
