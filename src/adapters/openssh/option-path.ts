/** A path as the value of an option of ssh, which splits values at spaces and expands percent signs in them. */
import { OperationError } from '../../errors.ts';

/** @param operation for the error. @throws OperationError for a path that ssh cannot read */
export function optionPath(operation: string, path: string): string {
  if (/["\n\0]/.test(path)) {
    throw new OperationError({
      operation,
      target: path,
      message: 'ssh does not accept a file name that contains a quotation mark or a line break',
      retryable: false,
      hint: 'rename the file',
    });
  }
  return `"${path.replaceAll('%', '%%')}"`;
}
