/** The part of `sos-ci.yaml` that says what is done for a patchset before its jobs may run. */
import { z } from 'zod';
import { duration, flag, integer } from '../fields/fields.ts';

export const prepare = z.strictObject({
  merge: flag({
    default: true,
    about:
      'test the patch merged on the tip of its branch, together with what it depends on; false: as it was uploaded',
  }),
  wip: flag({ default: false, about: 'test changes that are work in progress too' }),
  private: flag({ default: false, about: 'test private changes too, where our account may see them' }),
  dependencies: integer({
    default: 30,
    min: 0,
    max: 1000,
    about: 'changes that one change may depend on, all in all; more is told in the comment',
  }),
  lookUpTimeout: duration({
    default: '1m',
    min: '1s',
    about: 'for asking Gerrit how a change and what it depends on are now',
  }),
  lookUpAttempts: integer({
    default: 200,
    min: 1,
    max: 10_000,
    about: 'attempts to ask, until the jobs are given up',
  }),
  lookUpRetry: duration({
    default: '250ms',
    min: '10ms',
    about: 'before Gerrit is asked again, which may show a patchset later than it tells of it; doubles',
  }),
  lookUpRetryMax: duration({ default: '10m', about: 'longest wait before Gerrit is asked again' }),
  mergeTimeout: duration({ default: '10m', min: '1s', about: 'for fetching and merging, on this host' }),
  mergeAttempts: integer({ default: 10, min: 1, max: 10_000, about: 'attempts to merge' }),
  mergeRetry: duration({ default: '2s', about: 'before merging is tried again; doubles, at most 64-fold' }),
});
