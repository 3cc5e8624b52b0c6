/** Timeouts and thresholds of `sos-ci doctor`. Tests pass smaller values. */
import type { DoctorConfig } from '../config.ts';

export const DOCTOR: DoctorConfig = {
  /** For one check; past it, the check has failed. */
  timeoutMs: 30_000,
  /** How long Gerrit may take to refuse the stream; under load it takes seconds. */
  streamWaitMs: 5_000,
  /** On this host: the logs of a few days. */
  diskFreeBytes: 5 * 1024 ** 3,
  /** On a node: DevStack, its packages and a volume group. */
  nodeDiskFreeBytes: 10 * 1024 ** 3,
  /** Catch-up compares times of both clocks. */
  clockSkewMs: 10_000,
};
