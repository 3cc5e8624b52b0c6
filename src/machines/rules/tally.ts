/** Starts counted in memory: what the store counts for the daemon, for events that are only looked at. */
import type { Start } from '../trigger.ts';
import { LIMIT_WINDOW_MS, type StartCounts } from './limit.ts';

type Counted = Pick<Start, 'patchset' | 'by' | 'at'>;

export class Tally {
  private starts: readonly Counted[] = [];
  private newest = 0;

  add(start: Counted): void {
    this.newest = Math.max(this.newest, start.at);
    // What is older than a window before the newest can hardly count any more: events come about in their order.
    const kept = this.starts.filter(({ at }) => at > this.newest - 2 * LIMIT_WINDOW_MS);
    this.starts = [...kept, start];
  }

  /** Starts in the hour up to the one that is asked about. */
  counts({ patchset: { project, change }, by, at }: Counted): StartCounts {
    const hour = this.starts.filter((start) => start.at > at - LIMIT_WINDOW_MS && start.at <= at);
    const ofProject = hour.filter(({ patchset }) => patchset.project === project);
    return {
      change: ofProject.filter(({ patchset }) => patchset.change === change).length,
      author: hour.filter((start) => start.by === by).length,
      project: ofProject.length,
      all: hour.length,
    };
  }
}
