/**
 * The findings of `sos-ci doctor` and the interface of a check. A check returns findings and changes nothing; an
 * OperationError that it throws becomes a failure with that error's hint.
 */
import { OperationError } from '../../errors.ts';

export const VERDICTS = ['ok', 'warning', 'failure', 'unchecked'] as const;
export type FindingVerdict = (typeof VERDICTS)[number];

export interface Finding {
  /** A stable name for scripts; docs/cli.md lists them. */
  readonly check: string;
  /** What was checked: a file, a host, a project. */
  readonly target: string;
  readonly verdict: FindingVerdict;
  readonly found: string;
  /** How to fix it, in one line; '' when there is nothing to do. */
  readonly fix: string;
}

/** Returns findings in reading order; each check has its own timeout. */
export interface Check {
  /** Names the finding when the check times out or throws. */
  readonly check: string;
  readonly target: string;
  run(signal: AbortSignal): Promise<readonly Finding[]>;
}

type Subject = Pick<Finding, 'check' | 'target'>;

export function ok({ check, target }: Subject, found: string): Finding {
  return { check, target, verdict: 'ok', found, fix: '' };
}

export function warning({ check, target }: Subject, found: string, fix: string): Finding {
  return { check, target, verdict: 'warning', found, fix };
}

export function failure({ check, target }: Subject, found: string, fix: string): Finding {
  return { check, target, verdict: 'failure', found, fix };
}

export function unchecked({ check, target }: Subject, found: string, fix = ''): Finding {
  return { check, target, verdict: 'unchecked', found, fix };
}

/** @throws any other error: it is a bug */
export function failed(subject: Subject, thrown: unknown): Finding {
  if (!(thrown instanceof OperationError)) throw thrown;
  return failure(subject, thrown.message, thrown.hint);
}

/** `1.5 GB`, as sizes in the configuration are counted. */
export function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GB`;
}
