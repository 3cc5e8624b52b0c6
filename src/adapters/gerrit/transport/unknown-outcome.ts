/**
 * The outcome of a request to Gerrit is unknown: the connection broke, the request timed out, or the answer is
 * unusable. Says, for SSH and REST alike, whether Gerrit may have the whole request: only then must a review be looked
 * up before it is sent again.
 */
import { OperationError, type OperationErrorFields } from '../../../errors.ts';

export class UnknownOutcomeError extends OperationError {
  /** True: the server may have the whole request and may still process it. */
  readonly sent: boolean;

  constructor(fields: OperationErrorFields, sent: boolean) {
    super(fields);
    this.sent = sent;
  }
}
