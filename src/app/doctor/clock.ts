/** Compares this host's clock with the time of another server. */
import { type Finding, failure, ok, unchecked } from './finding.ts';

const CLOCK_HINT = 'configure gerrit.rest or an https logs.url, or check: timedatectl';

/** @param aheadMs how far our clock is ahead; null: the server sent no time */
export function clockFinding(target: string, aheadMs: number | null, limitMs: number): Finding {
  const subject = { check: 'clock', target };
  if (aheadMs === null) return unchecked(subject, 'the server sent no time', CLOCK_HINT);
  const seconds = Math.abs(aheadMs) / 1000;
  if (Math.abs(aheadMs) <= limitMs)
    return ok(subject, `differs by at most ${Math.max(Math.ceil(seconds), 1)} s`);
  const found = `this host's clock is ${Math.round(seconds)} s ${aheadMs > 0 ? 'ahead' : 'behind'}`;
  return failure(subject, found, 'synchronize it: timedatectl set-ntp true');
}

/** SSH does not report the time. */
export function clockUnknown(target: string): Finding {
  return unchecked({ check: 'clock', target }, 'SSH does not report the time', CLOCK_HINT);
}
