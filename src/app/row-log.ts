/** Logs appended rows: stages, posts and ended jobs at level info, every row at level debug. */
import type { LogEntry } from '../engine/ports/store.ts';
import type { Log } from '../log.ts';

export function logRow(log: Log, { row, projection: view, endsJob }: LogEntry): void {
  const { history, version, type, state, outcome } = row;
  log.debug({ history, version, type, state, outcome }, 'appended');
  if (view.kind === 'other') return;
  const patchset = `${view.change},${view.patchset}`;
  if (type === 'stage.started') log.info({ job: history, patchset, ...row.data }, `${row.data.stage} runs`);
  if (type === 'review.posted') log.info({ review: history, patchset }, 'posted');
  if (!endsJob || view.kind !== 'job') return;
  const { verdict, reason, url } = view;
  log.info({ job: history, patchset, verdict, reason, url }, 'ended');
}
