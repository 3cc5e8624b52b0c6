/** Every key of `sos-ci.yaml`, in the order in which a new user needs them. Unknown keys are errors everywhere. */
import { z } from 'zod';
import { LOG_LEVELS } from '../log.ts';
import { FieldError } from './fields/field-error.ts';
import { choice, optionalText, secretSource, text } from './fields/fields.ts';
import { database } from './sections/database.ts';
import { eventArchive } from './sections/event-archive.ts';
import { gerrit } from './sections/gerrit.ts';
import { git } from './sections/git.ts';
import { janitor } from './sections/janitors.ts';
import { job } from './sections/jobs.ts';
import { logs } from './sections/logs.ts';
import { mail } from './sections/mail.ts';
import { monitoring } from './sections/monitoring.ts';
import { provider } from './sections/providers.ts';
import { backends, headStart, projects } from './sections/queue.ts';
import { report } from './sections/report.ts';
import { triggers } from './sections/triggers.ts';

export const configSchema = z.strictObject({
  gerrit,
  providers: z.record(z.string(), provider).prefault({ local: {} }),
  jobs: z.record(z.string(), job),
  report: report.prefault({}),
  logs: logs.prefault({}),
  redact: z
    .array(
      secretSource({
        about:
          'a secret that must not get into evidence or logs; in a file with several lines, each line of 8 or more characters counts as one, and so does the text after `=` or `:` in it',
        hint: 'write [{file: PATH}] or [{env: NAME}]',
      }),
    )
    .prefault([]),
  triggers: triggers.prefault({}),
  projects: projects.prefault({}),
  backends: backends.prefault({}),
  janitors: z.record(z.string(), janitor).prefault({}),
  headStart: headStart.prefault({}),
  mail: mail.optional(),
  monitoring: monitoring.prefault({}),
  git: git.prefault({}),
  eventArchive: eventArchive.prefault({}),
  database: database.prefault({}),
  log: z
    .strictObject({ level: choice({ of: LOG_LEVELS, default: 'info', about: "the daemon's own log" }) })
    .prefault({}),
  stateDir: text({
    kind: 'path',
    default: './state',
    about: 'event log, run directories and evidence; created with mode 0700',
  }),
  deployment: optionalText({
    check: deploymentName,
    about: "written on everything that we create, to find it again; by default the database's own random id",
  }),
});

export type ConfigFile = z.output<typeof configSchema>;

function deploymentName(value: string): FieldError | null {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(value)
    ? null
    : new FieldError('must be 1 to 64 letters, digits, dots, dashes or underscores');
}
