/** Whether this host's clock is right, as far as another server tells the time. */
import { type Finding, failure, ok, unchecked } from './finding.ts';

const CLOCK_HINT = 'configure gerrit.rest or an https logs.url, or see: timedatectl';

/** @param aheadMs ours before theirs; null: they did not say */
export function clockFinding(target: string, aheadMs: number | null, limitMs: number): Finding {
  const subject = { check: 'clock', target };
  if (aheadMs === null) return unchecked(subject, 'it does not tell the time', CLOCK_HINT);
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  if (Math.abs(aheadMs) <= limitMs) return ok(subject, `the same within ${Math.max(seconds, 1)} s`);
  const found = `this host's clock is ${seconds} s ${aheadMs > 0 ? 'ahead' : 'behind'}`;
  return failure(subject, found, 'let it be set: timedatectl set-ntp true');
}

/** By SSH nobody tells the time. */
export function clockUnknown(target: string): Finding {
  return unchecked({ check: 'clock', target }, 'SSH does not tell the time', CLOCK_HINT);
}
