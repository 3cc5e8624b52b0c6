/** The document that each command prints with `--json`. A key may be added in any release; none is removed or changes its type. */
import { z } from 'zod';
import { STAGES } from '../../machines/model/domain.ts';
import { ANALYSES } from './analyses.ts';
import {
  alarm,
  anything,
  count,
  flag,
  hold,
  janitor,
  janitorView,
  job,
  judgement,
  leaks,
  patchset,
  pending,
  requiredVote,
  row,
  server,
  text,
  texts,
  time,
  verdict,
} from './entities.ts';

const document = <Shape extends z.ZodRawShape>(shape: Shape) => z.object({ format: z.literal(1), ...shape });

const queued = z.object({
  provider: text,
  position: count.nullable(),
  promoted: flag,
  since: time,
  why: text,
});
const named = z.object({ id: text, name: text });
const found = z.object({ ...named.shape, state: text, ...patchset });
const begun = { ...patchset, review: text, jobs: z.array(named) };
const daemon = z.object({
  pid: count,
  startTicks: count,
  startedAt: time,
  version: text,
  mode: text,
  stream: text,
  limits: anything.optional(),
  connections: z.object({ needed: count, open: count }).optional(),
  janitors: z.array(janitorView).optional(),
});
const stream = z.object({
  state: text,
  server: text,
  upSince: time.nullable(),
  downSince: time.nullable(),
  why: text,
  hint: text,
  outages: count,
  failures: count,
  caughtUp: z.looseObject({ at: time, since: time, changes: count, found: count }).nullable(),
});
const config = z.object({
  file: text,
  by: text,
  why: text,
  loadedAt: time,
  changed: texts,
  restart: texts,
  problems: texts,
  rejectedAt: time.nullable(),
});
const environment = z.object({
  server,
  facts: z
    .object({
      type: text,
      image: named.nullable(),
      flavor: named.nullable(),
      system: z
        .object({
          os: text.nullable(),
          kernel: text.nullable(),
          cpus: count.nullable(),
          memoryBytes: count.nullable(),
        })
        .nullable(),
    })
    .nullable(),
  stages: z.object({
    ansible: text.optional(),
    devstack: text.optional(),
    tempest: text.optional(),
    proxy: flag.optional(),
    preseed: flag.optional(),
  }),
});
const stageLog = { attempt: count, stage: z.enum(STAGES), end: text.nullable(), path: text };
const decision = z.looseObject({ do: text, rule: text, why: text });
const explainedLine = z.union([
  z.object({ line: count, rejected: text }),
  z.object({ line: count, dropped: text }),
  z.looseObject({
    line: count,
    type: text,
    decisions: z.array(decision),
    jobs: z.array(judgement).optional(),
  }),
]);
const person = z.object({ username: text, name: text, email: text });
const change = z.object({
  project: text,
  branch: text,
  ...patchset,
  revision: text,
  ref: text,
  subject: text,
  owner: text,
  url: text,
  topic: text,
  status: z.enum(['open', 'merged', 'abandoned']),
  kind: text,
  wip: flag,
  private: flag,
  uploader: person,
  author: person,
  hashtags: texts,
  files: texts.nullable(),
  votes: z.array(z.object({ account: text, label: text, value: z.int() })),
});

/** By the command; one with several forms has one entry for each. */
export const DOCUMENTS = {
  status: document({
    running: flag,
    daemon: daemon.nullable(),
    openJobs: z.object({ total: count, byState: z.record(z.string(), count) }),
    openReviews: count,
    holds: z.array(hold),
    janitors: z.array(janitor),
    pending: z.object({ timers: count, requests: count }),
    stream: stream.nullable(),
    health: z.looseObject({ healthy: flag, problems: z.array(anything) }).nullable(),
    voting: z.object({ allowed: flag, stoppedAt: time.nullable(), failed: z.array(count) }).nullable(),
    intake: z.record(z.string(), count),
    config: config.nullable(),
    alarms: z.array(alarm),
    counts: z.object({
      since: text,
      rows: z.array(z.object({ day: text, name: text, verdict, jobs: count })),
    }),
  }),
  jobs: document({ jobs: z.array(job.extend({ queue: queued.nullable() })), queue: texts }),
  job: document({
    job,
    review: z.object({ id: text, state: text, ended: flag, outcome: text.nullable() }).nullable(),
    environment: environment.nullable(),
    stages: z.array(z.object({ state: text, attempt: count, startedAt: time, durationMs: count.nullable() })),
    pending: z.array(pending),
    events: z.array(row),
  }),
  'job of an archive file': document({
    archived: z.array(z.object({ id: text, title: text, file: text, leftAt: time })),
  }),
  wait: document({ job }),
  log: document({
    job: text,
    url: text.nullable(),
    logs: z.array(z.object({ ...stageLog, bytes: count })),
  }),
  'log --failed': document({
    job: text,
    url: text.nullable(),
    failure: z
      .object({
        ...stageLog,
        test: text.nullable(),
        line: count,
        lines: z.array(z.object({ number: count, text })),
      })
      .nullable(),
  }),
  stats: document({
    since: time.nullable(),
    stackTimes: z.array(
      z.object({
        job: text,
        provider: text,
        cache: z.enum(['none', 'squid', 'preseed', 'squid+preseed']),
        runs: count,
        medianMs: count.nullable(),
        p90Ms: count.nullable(),
      }),
    ),
  }),
  holds: document({ holds: z.array(hold) }),
  janitors: document({ janitors: z.array(janitor) }),
  'janitors save': document({ janitor: text, resources: z.record(z.string(), count) }),
  history: document({
    history: text,
    machine: text,
    state: text,
    ended: flag,
    changedAt: time,
    context: anything,
    pending: z.array(pending),
    events: z.array(row),
  }),
  events: document({ events: z.array(row.omit({ sinceStartMs: true }).extend({ history: text })) }),
  'events export': document({
    events: z.array(
      z.object({
        at: time.nullable(),
        type: text.nullable(),
        change: count.nullable(),
        event: z.unknown().optional(),
        text: text.optional(),
      }),
    ),
  }),
  alarms: document({ alarms: z.array(alarm) }),
  'alarms ack': document({ acknowledged: count }),
  leaks: document(leaks),
  gc: document({ dryRun: flag, ...leaks }),
  enqueue: document(begun),
  recheck: document({ begun: z.array(z.object(begun)), decisions: texts }),
  dequeue: document({ jobs: z.array(found), reviews: texts }),
  promote: document({ promoted: z.array(found), notWaiting: z.array(found) }),
  hold: document({ hold: text, jobs: z.array(found) }),
  release: document({ released: z.array(z.object({ hold: text, server: text.nullable() })) }),
  clean: document({ cleaning: text, backends: texts }),
  reload: document({ changed: texts, restart: texts, problems: texts }),
  'resume-voting': document({ resumed: flag }),
  replay: document({
    equal: flag,
    histories: count,
    rows: count,
    ms: count,
    difference: z
      .object({ history: text, version: count, field: text, stored: z.unknown(), computed: z.unknown() })
      .nullable(),
  }),
  'tests ID': document(ANALYSES['tests ID']),
  'tests --failing': document(ANALYSES['tests --failing']),
  'tests --flaky': document(ANALYSES['tests --flaky']),
  'tests --slowest': document(ANALYSES['tests --slowest']),
  graph: document(ANALYSES.graph),
  'graph MACHINE': document(ANALYSES['graph MACHINE']),
  'replay --at': document(ANALYSES['replay --at']),
  'replay --machine': document(ANALYSES['replay --machine']),
  'replay --what-if': document(ANALYSES['replay --what-if']),
  'replay --diff': document(ANALYSES['replay --diff']),
  export: document(ANALYSES.export),
  verify: document({
    sound: flag,
    histories: count,
    rows: count,
    ms: count,
    differences: z.array(z.looseObject({ history: text, version: count, field: text })),
    schema: texts,
    views: texts,
  }),
  rebuild: document({ rows: count, ms: count }),
  backup: document({ file: text, bytes: count }),
  'explain CHANGE': document({
    change,
    dryRuns: z.array(
      z.object({
        occasion: z.enum(['patchset', 'recheck']),
        comment: text.nullable(),
        starts: flag,
        rule: text,
        why: text,
        requiredVote: requiredVote.nullable(),
        jobs: z.array(judgement),
      }),
    ),
    waiting: z.object({ patchset: count, jobs: texts, since: time, rule: text, why: text }).nullable(),
    ignored: z.array(z.object({ at: time, patchset: count, by: text, rule: text, why: text })),
  }),
  'explain JOB': document({
    job,
    start: z.object({ kind: text, by: text, at: time, why: text }).nullable(),
    decided: z.object({ state: text, at: time, event: text, text }).nullable(),
    waits: text.nullable(),
    lastLine: text.nullable(),
    vote: z
      .object({
        label: text.nullable(),
        sent: z.int().nullable(),
        patchset: count,
        why: texts,
        counted: z.array(
          z.object({
            name: text,
            result: text.nullable(),
            verdict: text.nullable(),
            patchset: count,
            review: text,
            url: text.nullable(),
          }),
        ),
      })
      .nullable(),
  }),
  'explain --events': document({
    file: text,
    lines: z.array(explainedLine),
    counts: z.record(z.string(), count),
  }),
  doctor: document({
    file: text,
    healthy: flag,
    counts: z.object({ ok: count, warning: count, failure: count, unchecked: count }),
    findings: z.array(
      z.object({
        check: text,
        target: text,
        verdict: z.enum(['ok', 'warning', 'failure', 'unchecked']),
        found: text,
        fix: text,
      }),
    ),
  }),
  'boot-test': document({ provider: text, steps: z.array(z.object({ step: text, ms: count })) }),
  'setup ansible': document({ fresh: flag, program: text, version: text }),
  'config check': document({
    file: text,
    ok: flag,
    jobs: texts,
    problems: z.array(z.object({ line: count, column: count, path: text, what: text, next: text })),
  }),
  'config keys': document({
    keys: z.array(
      z.object({ path: text, kind: text, required: flag, default: text.nullable(), about: text }),
    ),
  }),
} as const;
