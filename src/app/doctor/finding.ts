/**
 * What `sos-ci doctor` finds, and the shape of a check. A check answers with findings and changes nothing; what it throws as
 * an OperationError is a failure with that error's hint.
 */
import { OperationError } from '../../errors.ts';

export const VERDICTS = ['ok', 'warning', 'failure', 'unchecked'] as const;
export type FindingVerdict = (typeof VERDICTS)[number];

export interface Finding {
  /** A word that scripts may rely on: docs/cli.md lists them. */
  readonly check: string;
  /** What was looked at: a file, a host, a project. */
  readonly target: string;
  readonly verdict: FindingVerdict;
  readonly found: string;
  /** What to do, in one line; '' where there is nothing to do. */
  readonly fix: string;
}

/** Findings in the order in which people should read them; each check has its own time. */
export interface Check {
  /** Of the finding when it is not done in time. */
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

/** @throws what is no OperationError: a mistake of ours */
export function failed(subject: Subject, thrown: unknown): Finding {
  if (!(thrown instanceof OperationError)) throw thrown;
  return failure(subject, thrown.message, thrown.hint);
}

/** `1.5 GB`, as sizes in the configuration are counted. */
export function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GB`;
}
