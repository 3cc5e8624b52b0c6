/** Reports errors: prints what is wrong and what to do next, and chooses the exit code. */
import { plainLines, plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from './exit-codes.ts';
import { type Io, paintError } from './terminal.ts';

/** Prints the error; returns the exit code. Compares errors by name to avoid loading their modules. */
export function reportFailure(io: Io, thrown: unknown): number {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const hint = 'hint' in error && typeof error.hint === 'string' ? error.hint : '';
  const exit = exitOf(error);
  io.err(`${paintError(io, 'red', 'sos-ci:')} ${plainLines(messageOf(error))}\n`);
  if (hint !== '') io.err(`        ${plainLines(hint)}\n`);
  if (exit === EXIT.internal) {
    io.err(`This is a bug in sos-ci. Stack trace:\n${plainLines(error.stack ?? '')}\n`);
  }
  return exit;
}

/**
 * Handles a failed write to standard output. A closed reader (`| head`) is not an error: prints nothing and keeps an exit code
 * that is already set. Returns the exit code.
 */
export function reportOutputFailure(
  io: Io,
  error: NodeJS.ErrnoException,
  decided: number | string | null | undefined,
): number {
  if (error.code === 'EPIPE') return typeof decided === 'number' ? decided : EXIT.brokenPipe;
  io.err(
    `${paintError(io, 'red', 'sos-ci:')} standard output cannot be written: ${plainText(error.message)}\n`,
  );
  return EXIT.refused;
}

function messageOf(error: Error): string {
  if (error.name === 'ConfigError') {
    const all = error.message.split('\n');
    return `the configuration has ${all.length === 1 ? 'an error' : `${all.length} errors`}\n${error.message}`;
  }
  if (error.name === 'OperationError' && 'operation' in error && 'target' in error) {
    return `${String(error.operation)}: ${String(error.target)}: ${error.message}`;
  }
  return error.message;
}

function exitOf(error: Error): number {
  if (error instanceof CliError) return error.exitCode;
  if (error.name === 'ConfigError') return EXIT.config;
  if (error.name === 'StoreUnavailable') return EXIT.store;
  if (error.name !== 'OperationError') return EXIT.internal;
  const operation = 'operation' in error ? String(error.operation) : '';
  return operation.includes('database') ? EXIT.store : EXIT.refused;
}
