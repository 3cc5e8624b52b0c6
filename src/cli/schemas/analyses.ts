/** The documents of `tests`, `graph`, `export` and the forms of `replay` that look into a history. */
import { z } from 'zod';
import { anything, count, flag, patchset, pending, row, text, texts, time } from './entities.ts';

const run = z.object({ job: text, ...patchset, at: time });

/** One test over all runs: its id, and the name of the job that runs it. */
const test = { id: text, name: text };

const failure = { error: text.nullable(), fingerprint: text.nullable() };

/** A state, with the states inside it. */
const state = z.object({
  path: text.describe('dotted: testing.running'),
  name: text,
  get children() {
    return z.array(state);
  },
  ended: flag,
});

const effect = pending.extend({ requestedBy: count });

const change = z.object({ path: text, before: z.unknown(), after: z.unknown() });

const comparedRow = row.omit({ at: true, sinceStartMs: true, settles: true });

const side = z.object({ history: text, machine: text, rows: count });

export const ANALYSES = {
  'tests ID': {
    job: text,
    name: text,
    run: z
      .object({
        ...patchset,
        attempt: count,
        at: time,
        passed: count,
        failed: count,
        skipped: count,
        dropped: count,
        problem: text.nullable(),
        tests: z.array(
          z.object({
            id: text,
            outcome: z.enum(['passed', 'skipped', 'failed']),
            durationMs: z.number().nullable(),
            ...failure,
          }),
        ),
      })
      .nullable(),
  },
  'tests --failing': {
    since: time.nullable(),
    tests: z.array(
      z.object({
        ...test,
        project: text,
        branch: text,
        ...failure,
        runs: count,
        changes: count,
        newest: run,
        first: run,
      }),
    ),
  },
  'tests --flaky': {
    since: time.nullable(),
    tests: z.array(
      z.object({
        ...test,
        failures: count,
        runs: count,
        changes: count,
        samePatchset: flag,
        share: z.number(),
        newest: run,
      }),
    ),
  },
  'tests --slowest': {
    since: time.nullable(),
    tests: z.array(z.object({ ...test, runs: count, medianMs: z.number(), p90Ms: z.number() })),
  },
  graph: { machines: z.array(z.object({ machine: text, states: count, transitions: count })) },
  'graph MACHINE': {
    machine: text,
    initial: text,
    states: z.array(state),
    edges: z.array(
      z.object({
        from: text,
        to: text,
        causes: z.array(z.object({ event: text.nullable(), guard: text.nullable() })),
      }),
    ),
  },
  'replay --at': {
    history: text,
    machine: text,
    state: text,
    ended: flag,
    rows: count,
    at: time,
    event: row,
    changes: z.array(change),
    settled: effect.nullable(),
    withdrawn: z.array(effect),
    requested: z.array(
      z.union([z.object({ type: text, to: text, event: text }), z.object({ type: text, key: text })]),
    ),
    pending: z.array(effect),
    context: anything,
  },
  'replay --machine': {
    history: text,
    from: text,
    to: text,
    rows: count,
    differences: z.array(
      z.object({ version: count, type: text, field: text, stored: z.unknown(), computed: z.unknown() }),
    ),
  },
  'replay --what-if': {
    history: text,
    machine: text.optional(),
    afterRow: count.optional(),
    event: z.looseObject({ type: text }),
    settles: text.nullable(),
    outcome: row.shape.outcome.optional(),
    before: text.optional(),
    after: text.optional(),
    ended: flag.optional(),
    changes: z.array(change).optional(),
    requested: z.array(z.looseObject({ type: text })).optional(),
    withdrawn: texts.optional(),
    pending: texts.optional(),
    failure: text.optional(),
  },
  'replay --diff': {
    one: side,
    other: side,
    common: count,
    differs: z.object({ one: comparedRow.nullable(), other: comparedRow.nullable() }).nullable(),
    parts: z.object({ one: comparedRow.nullable(), other: comparedRow.nullable() }).nullable(),
    stages: z.array(
      z.object({
        state: text,
        attempt: count,
        oneMs: z.number().nullable(),
        otherMs: z.number().nullable(),
      }),
    ),
  },
  export: {
    file: text,
    bytes: count,
    rows: count,
    histories: texts,
    logs: z.array(z.object({ job: text, attempt: count, stage: text })),
    redacted: texts,
  },
} as const;
