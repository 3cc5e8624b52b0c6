/** The keys of the intake: what is looked up when the stream may have lost something, and what of Gerrit's events is kept as it came. */
import { z } from 'zod';
import { duration, flag, integer, optionalText, size } from '../fields/fields.ts';

export const intake = z.strictObject({
  overlap: duration({
    default: '10m',
    min: '1m',
    max: '7d',
    about: 'how far before the newest event a look for missed ones begins',
  }),
  tolerance: duration({
    default: '5s',
    min: '2s',
    max: '1m',
    about: 'by how much the times of the stream and of a query may differ for the same comment',
  }),
  remember: duration({
    default: '7d',
    min: '1h',
    about: 'how long before the newest event what was decided upon is remembered; longer than overlap',
  }),
  page: integer({ default: 100, min: 1, max: 500, about: 'changes in one page of a look' }),
  held: integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    about: 'open jobs, and as many open reviews, whose changes are looked at in each look; the newest',
  }),
  timeout: duration({ default: '10m', min: '1s', about: 'for one look, all its pages together' }),
  retry: duration({ default: '5s', min: '10ms', about: 'before a look that failed is tried again; doubles' }),
  retryMax: duration({ default: '5m', min: '10ms', about: 'longest wait before a look is tried again' }),
  alarmAttempts: integer({
    default: 5,
    min: 1,
    max: 1000,
    about: 'looks that failed in a row until an alarm is raised; they go on',
  }),
  again: duration({
    default: '15s',
    min: '10ms',
    about: 'after the first look on a new connection: until one more, for what Gerrit did not show yet',
  }),
  downAlarm: duration({
    default: '10m',
    min: '1s',
    about: 'without a connection to the stream until an alarm is raised',
  }),
  events: z
    .strictObject({
      keep: flag({ default: true, about: "keep Gerrit's events as they came, in files" }),
      dir: optionalText({ kind: 'path', about: 'where; by default events in stateDir' }),
      segmentSize: size({
        default: '16MB',
        min: '64KB',
        max: '1GB',
        about: 'a file that is larger is closed',
      }),
      segmentAge: duration({ default: '1d', min: '1m', about: 'a file that is older is closed' }),
      maxAge: duration({ default: '30d', min: '1m', about: 'a closed file that is older is removed' }),
      maxSize: size({ default: '512MB', min: '1MB', about: 'all files together; the oldest are removed' }),
      waiting: size({
        default: '8MB',
        min: '64KB',
        max: '256MB',
        about: 'lines that may wait for a slow disk; further ones are counted and not kept',
      }),
      retry: duration({
        default: '10s',
        min: '10ms',
        about: 'after the disk has refused: until it is tried again',
      }),
    })
    .prefault({}),
});

export type IntakeFile = z.output<typeof intake>;
