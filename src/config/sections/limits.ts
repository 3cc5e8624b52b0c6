/** The parts of `sos-ci.yaml` that bound the daemon as a whole, and the evidence of every job. */
import { z } from 'zod';
import { duration, integer, optionalText, size, text } from '../fields/fields.ts';
import { webAddress } from '../fields/validators.ts';
import { queuePatience } from './queue.ts';

/** Ways of ending processes: a runner counts whole seconds, and what takes longer than these is stuck. */
const ENDING = { min: '1s', max: '10m' } as const;

export const limits = z.strictObject({
  queueLength: integer({
    default: 500,
    min: 1,
    max: 100_000,
    about: 'open jobs; what would start more waits',
  }),
  queuePatience,
  inboxEvents: integer({
    default: 1000,
    min: 1,
    max: 100_000,
    about: 'Gerrit events that may wait to be stored until the stream is held back',
  }),
  batch: integer({
    default: 256,
    min: 1,
    max: 10_000,
    about: 'happenings that are written to the log together; a crash can lose none of them',
  }),
  shutdown: duration({ default: '4s', min: '100ms', max: '5m', about: 'for a clean stop' }),
  sweepInterval: duration({
    default: '10m',
    min: '1s',
    about:
      'between two rounds that look for what cleanup could not reach: servers, and what was gathered here',
  }),
  sweepTimeout: duration({
    default: '5m',
    min: '1s',
    about: 'for one call to a provider, or one removal here, in such a round',
  }),
  alarmQuiet: duration({
    default: '6h',
    about: 'without the same alarm until its next one counts as new, and is mailed again',
  }),
  alarms: integer({
    default: 1000,
    min: 10,
    max: 100_000,
    about: 'different alarms that are remembered; the oldest go first',
  }),
  storeRetry: duration({
    default: '2s',
    min: '100ms',
    about: 'before an append is tried again for which there was no room',
  }),
  controlClients: integer({
    default: 16,
    min: 1,
    max: 1000,
    about: 'operators who ask the daemon at the same time; whoever says nothing for longest gives way',
  }),
  controlTimeout: duration({
    default: '10s',
    min: '100ms',
    about: 'for an operator to ask, and again to take the answer',
  }),
  rest: duration({
    default: '5s',
    min: '100ms',
    max: '1d',
    about: 'without anything new until memory is given back to the host',
  }),
  abortGrace: duration({
    default: '5s',
    min: '100ms',
    max: '10m',
    about: 'past the time that something outside may take: until it counts as failed without an answer',
  }),
  deleteRounds: integer({
    default: 3,
    min: 1,
    max: 100,
    about: "times that a job's servers are listed and deleted until one attempt at cleanup has failed",
  }),
  stopGrace: duration({
    default: '10s',
    ...ENDING,
    about: "between SIGTERM and SIGKILL to a stage's processes, at its timeout and when it is stopped",
  }),
  stopKill: duration({
    default: '5s',
    ...ENDING,
    about: 'at a stop: then, until they must be gone; what is left is an error of the host',
  }),
  deleteGrace: duration({
    default: '2s',
    ...ENDING,
    about: 'between SIGTERM and SIGKILL to processes that are left on a server when it is deleted',
  }),
  deleteKill: duration({ default: '20s', ...ENDING, about: 'then, until they must be gone' }),
  startTimeout: duration({
    default: '20s',
    ...ENDING,
    about: 'until the runner of a stage must stand, on this host or on a node',
  }),
  endingTimeout: duration({
    default: '1m',
    min: '1s',
    max: '1d',
    about: 'that the runner tries to write down how its stage ended, on a full disk; then the stage is lost',
  }),
  pendingEvidence: size({
    default: '10GB',
    about: 'evidence of ended jobs that waits to be published; past it the oldest is removed, with an alarm',
  }),
  results: size({
    default: '64MB',
    min: '1KB',
    max: '1GB',
    about: 'longest results file; a longer one is unreadable',
  }),
});

export const logs = z.strictObject({
  dir: optionalText({ kind: 'path', about: 'where evidence is published; by default logs in stateDir' }),
  url: text({
    kind: 'web address',
    default: '',
    check: webAddress,
    about: 'its address for readers; empty: the file:// address of the folder',
  }),
  fileLimit: size({
    default: '256MB',
    min: '1KB',
    about: 'one file of the evidence; of a longer one the beginning is published',
  }),
  entries: integer({
    default: 200_000,
    min: 1,
    max: 10_000_000,
    about: "files and folders of one job's work tree that are looked at",
  }),
  depth: integer({ default: 32, min: 1, max: 100, about: 'folders inside one another that are looked into' }),
  listed: integer({
    default: 1000,
    min: 1,
    max: 100_000,
    about: 'files that were passed over and are named in the manifest; more are counted',
  }),
});
