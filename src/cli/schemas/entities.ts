/** What several documents of `--json` have in common. docs/cli.md describes the keys. */
import { z } from 'zod';
import { VERDICTS } from '../../machines/model/verdict.ts';

export const text = z.string();
export const count = z.int().min(0);
export const flag = z.boolean();
/** ISO 8601, UTC. */
export const time = z.iso.datetime();
export const verdict = z.enum(VERDICTS);
export const texts = z.array(text);
/** Keys and values that may change between releases. */
export const anything = z.record(z.string(), z.unknown());
export const patchset = { change: count, patchset: count };

export const job = z.object({
  id: text,
  review: text,
  name: text,
  pipeline: text,
  project: text,
  branch: text,
  ...patchset,
  subject: text,
  owner: text,
  provider: text,
  state: text.describe('dotted: testing.running'),
  ended: flag,
  attempt: count,
  verdict: verdict.nullable(),
  reason: text,
  url: text.nullable(),
  acceptedAt: time,
  updatedAt: time,
  endedAt: time.nullable(),
});

/** A row of the log, as `history` and `job` have it. */
export const row = z.object({
  seq: count,
  version: count,
  type: text,
  at: time,
  sinceStartMs: z.int(),
  state: text,
  outcome: z.enum(['moved', 'ignored', 'late']),
  settles: text.nullable(),
  data: anything,
  text: text,
});

export const pending = z.object({ key: text, type: text, requestedAt: time, dueAt: time.nullable() });

export const server = z.object({ id: text, name: text, address: text, provider: text });

export const hold = z.object({
  hold: text,
  target: z.union([z.object({ change: count, name: text.nullable() }), z.object({ job: text })]),
  by: text,
  why: text,
  requestedAt: time,
  phase: z.enum(['waiting', 'held', 'releasing']),
  until: time,
  ending: text.nullable(),
  held: z
    .object({
      job: text,
      name: text,
      ...patchset,
      verdict,
      server,
      since: time,
      login: z.object({ command: text, directory: text }).nullable(),
      problem: text,
    })
    .nullable(),
});

const cleaning = z.object({
  cleaning: text,
  cause: z.looseObject({ by: z.enum(['operator', 'idle', 'schedule', 'threshold']), text }),
  phase: z.enum(['waiting', 'running', 'stopping', 'ended']),
  attempt: count,
  requestedAt: time,
  startedAt: time.nullable(),
  endedAt: time.nullable(),
  outcome: z.enum(['succeeded', 'failed', 'not-run']).nullable(),
  reason: text,
});

export const janitorView = z.object({
  name: text,
  backends: texts,
  idleMs: count.nullable(),
  schedule: text.nullable(),
  above: z.number().nullable(),
});

export const janitor = janitorView.extend({
  nextAt: time.nullable(),
  waits: text,
  last: cleaning.nullable(),
});

export const alarm = z.object({
  id: text,
  kind: text,
  target: text,
  message: text,
  hint: text,
  firstAt: time,
  lastAt: time,
  times: count,
  clearedAt: time.nullable(),
  acknowledgedAt: time.nullable(),
  acknowledgedBy: text.nullable(),
  acknowledgedWhy: text.nullable(),
});

export const requiredVote = z.object({ account: text, label: text, value: z.int(), timeoutMs: count });

/** What the rules say about one job. */
export const judgement = z.object({ job: text, starts: flag, rule: text, why: text });

export const leaks = {
  leaks: z.array(
    z.object({
      provider: text.nullable(),
      kind: text,
      id: text,
      name: text.nullable(),
      job: text,
      createdAt: time.nullable(),
      jobEndedAt: time.nullable(),
      firstSeenAt: time,
      state: z.enum(['first-seen', 'agreed', 'remove-failed', 'unknown-job', 'removed']),
      why: text,
    }),
  ),
  omitted: count,
  unlisted: z.array(z.object({ part: text, why: text, hint: text })),
};
