/**
 * Every key of `sos-ci.yaml`, with its default and what it is for. docs/configuration.md is made from this, and a test keeps
 * the two the same. Unknown keys are mistakes everywhere.
 */
import { z } from 'zod';
import { LOG_LEVELS } from '../log.ts';
import { choice, duration, integer, optionalText, size, text, Wrong } from './fields/fields.ts';
import { hostName, oneWord } from './fields/validators.ts';
import { doctor } from './sections/doctor.ts';
import { rest } from './sections/gerrit.ts';
import { gitCache } from './sections/git.ts';
import { intake } from './sections/intake.ts';
import { job } from './sections/jobs.ts';
import { limits, logs } from './sections/limits.ts';
import { mail } from './sections/mail.ts';
import { vigil } from './sections/monitoring.ts';
import { prepare } from './sections/prepare.ts';
import { provider } from './sections/providers.ts';
import { priorities, project } from './sections/queue.ts';
import { report } from './sections/report.ts';
import { triggers } from './sections/triggers.ts';

const gerrit = z.strictObject({
  host: text({ kind: 'host name', check: hostName, about: 'the Gerrit server' }),
  port: integer({ default: 29418, min: 1, max: 65535, about: "Gerrit's SSH port" }),
  user: text({ check: oneWord, about: "the CI account's user name in Gerrit" }),
  name: optionalText({
    kind: 'display name',
    about: 'its display name, such as Acme CI: a comment run-Acme CI starts its jobs, as run-USER does',
  }),
  key: text({ kind: 'path', about: 'the private SSH key of that account, without passphrase' }),
  knownHosts: text({
    kind: 'path',
    default: '~/.ssh/known_hosts',
    about: "where the server's host key is pinned",
  }),
  connectTimeout: duration({ default: '20s', about: 'for connection, handshake and login together' }),
  keepalive: duration({ default: '15s', min: '1s', about: 'between two keepalives' }),
  keepaliveMax: integer({
    default: 3,
    min: 1,
    max: 100,
    about: 'unanswered keepalives until the connection counts as dead',
  }),
  silence: duration({
    default: '5m',
    min: '1s',
    about: 'without a byte on the stream until the server is asked whether it lives',
  }),
  backoffMin: duration({ default: '1s', min: '10ms', about: 'before the first reconnect' }),
  backoffMax: duration({
    default: '15s',
    min: '10ms',
    about: 'longest wait before a reconnect; the waits double',
  }),
  lineLimit: size({
    default: '8MB',
    min: '64KB',
    max: '64MB',
    about: 'longest event line; a longer one is skipped, and what it reported is looked up',
  }),
  commandTimeout: duration({ default: '1m', min: '1s', about: 'for one query or one review' }),
  settle: duration({
    default: '2m',
    min: '0s',
    about:
      'after a review request was cut off: how long it might still arrive, so how long to wait before looking for it',
  }),
  refusedRetry: duration({
    default: '10m',
    min: '1s',
    about: 'until the stream is tried again after the host key, our key or a right was refused',
  }),
  closeTimeout: duration({
    default: '1s',
    min: '10ms',
    about: 'for the polite end of a connection; then it is cut',
  }),
  reviewConnections: integer({
    default: 4,
    min: 1,
    max: 100,
    about: 'connections for reviews by REST at the same time; some sites allow few for each account',
  }),
  questions: integer({
    default: 4,
    min: 1,
    max: 100,
    about: 'questions, and reviews by SSH, at the same time; all go over one connection',
  }),
  idle: duration({
    default: '1m',
    min: '0s',
    about: 'until the connection for questions is closed when nobody asks',
  }),
  indexDelay: duration({
    default: '10s',
    about: 'after an upload: how long Gerrit may not show it yet, so that nothing counts as missing before',
  }),
  filesLimit: integer({
    default: 1000,
    min: 1,
    max: 10_000,
    about: 'files that a patchset may touch for its job to be chosen by them; more fit every pattern',
  }),
  answerLimit: size({ default: '64MB', min: '1MB', max: '1GB', about: 'longest answer to one question' }),
  rest: rest.optional(),
  fetchUrl: optionalText({
    kind: 'address with {project}',
    check: fetchAddress,
    about: 'where patchsets are fetched from; by default the same Gerrit by SSH with the same key',
  }),
});

const secret = z.strictObject({
  file: optionalText({
    kind: 'path',
    about: 'file that holds a secret; of several lines, each of 8 or more characters counts as one',
  }),
  env: optionalText({ check: oneWord, about: 'environment variable of the daemon that holds a secret' }),
});

export const configSchema = z.strictObject({
  stateDir: text({
    kind: 'path',
    default: './state',
    about: 'event log, run directories and evidence; made with mode 0700',
  }),
  deployment: optionalText({
    check: deploymentName,
    about:
      "written on everything that we create, so that it can be found again; by default the database's own random id",
  }),
  gerrit,
  intake: intake.prefault({}),
  vigil: vigil.prefault({}),
  report: report.prefault({}),
  mail: mail.optional(),
  triggers: triggers.prefault({}),
  prepare: prepare.prefault({}),
  git: gitCache.prefault({}),
  providers: z.record(z.string(), provider).prefault({ local: {} }),
  projects: z.record(z.string(), project.prefault({})).prefault({}),
  priorities: priorities.prefault({}),
  logs: logs.prefault({}),
  redact: z.array(secret).prefault([]),
  limits: limits.prefault({}),
  jobs: z.record(z.string(), job),
  doctor: doctor.prefault({}),
  log: z
    .strictObject({ level: choice({ of: LOG_LEVELS, default: 'info', about: "the daemon's own log" }) })
    .prefault({}),
});

export type ConfigFile = z.output<typeof configSchema>;

function fetchAddress(value: string): Wrong | null {
  if (!value.includes('{project}'))
    return new Wrong('has no {project} in it', 'write it where the project belongs');
  if (!/^(ssh|https?|file):\/\/\S+$/.test(value))
    return new Wrong('must begin with ssh://, https://, http:// or file://');
  return /^https?:\/\/[^/]*@/.test(value)
    ? new Wrong('holds a user or password', 'secrets do not belong in this file')
    : null;
}

function deploymentName(value: string): Wrong | null {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)
    ? null
    : new Wrong('must be 1 to 64 letters, digits, dots, dashes or underscores');
}
