/** From the checked keys of the intake to what the program uses. */
import { join } from 'node:path';
import type { IntakeConfig } from './config.ts';
import type { IntakeFile } from './sections/intake.ts';

export function buildIntake(
  intake: IntakeFile,
  stateDir: string,
  path: (path: string) => string,
): IntakeConfig {
  const { events } = intake;
  return {
    overlapMs: intake.overlap,
    toleranceMs: intake.tolerance,
    keepSeenMs: intake.remember,
    pageRows: intake.page,
    heldLimit: intake.held,
    stream: {
      downAlarmMs: intake.downAlarm,
      catchUpTimeoutMs: intake.timeout,
      catchUpRetryMs: intake.retry,
      catchUpRetryMaxMs: intake.retryMax,
      catchUpAlarmAttempts: intake.alarmAttempts,
      catchUpAgainMs: intake.again,
    },
    segments: {
      keep: events.keep,
      dir: events.dir === null ? join(stateDir, 'events') : path(events.dir),
      segmentBytes: events.segmentSize,
      segmentAgeMs: events.segmentAge,
      maxAgeMs: events.maxAge,
      maxBytes: events.maxSize,
      waitingBytes: events.waiting,
      retryMs: events.retry,
    },
  };
}
