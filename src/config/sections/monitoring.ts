/** The keys of the vigil: what the operator is told of before it does harm. */
import { z } from 'zod';
import { duration, integer, size } from '../fields/fields.ts';

export const vigil = z.strictObject({
  interval: duration({ default: '10m', min: '1s', about: 'between two looks around' }),
  quiet: duration({
    default: '3d',
    min: '1m',
    about: 'of listening in which nothing was reported although other CIs report, until an alarm is raised',
  }),
  quietOthers: integer({
    default: 10,
    min: 1,
    max: 100_000,
    about: 'reports of other CIs in that time, on what the jobs are for; fewer say nothing',
  }),
  diskFree: size({
    default: '1GB',
    min: '1MB',
    about: 'room on the disks of stateDir, logs and events; with less an alarm is raised',
  }),
  diskFreeFiles: integer({
    default: 10_000,
    min: 0,
    max: 1_000_000_000,
    about: 'free inodes there; with fewer an alarm is raised',
  }),
  wal: size({
    default: '64MB',
    min: '1MB',
    about: "the database's write-ahead log; when it is larger an alarm is raised",
  }),
});
