/** The error that says why `tempest cleanup` must not run, before anything was deleted. */
import { OperationError } from '../../errors.ts';

export function refusal(message: string, hint: string): OperationError {
  const operation = 'refuse tempest cleanup';
  return new OperationError({ operation, target: 'tempest', message, retryable: false, hint });
}
