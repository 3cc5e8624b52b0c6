/** The part of `sos-ci.yaml` that says who gets a free slot, and how many jobs run at the same time. */
import { z } from 'zod';
import { TRIGGER_KINDS, type TriggerKind } from '../../machines/model/domain.ts';
import { duration, optionalInteger } from '../fields/fields.ts';

const WHEN: Readonly<Record<TriggerKind, string>> = {
  patchset: 'by a new patchset',
  recheck: 'by a comment or an operator',
  restored: 'by a change that was restored',
  vote: 'by a vote',
  ready: 'by a change that is no longer work in progress or private',
};

type HeadStarts = Readonly<Record<TriggerKind, ReturnType<typeof headStart>>>;

export const priorities = z.strictObject(
  Object.fromEntries(TRIGGER_KINDS.map((kind) => [kind, headStart(kind)])) as HeadStarts,
);

export const project = z.strictObject({
  concurrency: optionalInteger({
    min: 1,
    max: 1000,
    about: 'jobs for this project at the same time, on all providers; without it there is no limit',
  }),
  priority: duration({
    default: '0s',
    min: '0s',
    about:
      'projects take turns on each provider; this one counts as if its last turn had been that much longer ago',
  }),
});

export const jobConcurrency = optionalInteger({
  min: 1,
  max: 1000,
  about: 'so many of this job run at the same time; without it only slots limit them',
});

export const queuePatience = duration({
  default: '1h',
  about:
    "a job that the concurrency of its project or its name kept waiting for this long keeps the next free place of each for itself, so that others can't overtake it for ever",
});

function headStart(kind: TriggerKind) {
  return duration({
    default: kind === 'recheck' ? '10m' : '0s',
    min: '0s',
    about: `a job that was started ${WHEN[kind]} counts as if it had waited that much longer than others of its project`,
  });
}
