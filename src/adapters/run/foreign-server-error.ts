/** What every provider answers when it is to delete a server of another deployment. */
import { OperationError } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';

/** @param proof what says so: a label, a lease, a mark */
export function foreignServerError({ name }: Server, proof: string): OperationError {
  return new OperationError({
    operation: 'delete server',
    target: name,
    message: `${proof} names another deployment`,
    retryable: false,
    hint: 'delete it from the deployment that created it',
  });
}
