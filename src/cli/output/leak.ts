/** Describes leaks, and the events of a leak: found, removed, not removed. */
import { assertNever, type Leak } from '../../machines/model/domain.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import { failureText, reasonSuffix } from './event.ts';

const TYPES = ['leak.found', 'leak.removed', 'leak.remove-failed'] as const;
type LeakEvent = Extract<AnyEvent, { type: (typeof TYPES)[number] }>;

export function isLeakEvent(event: AnyEvent): event is LeakEvent {
  return (TYPES as readonly string[]).includes(event.type);
}

export function leakEventText(event: LeakEvent): string {
  const what = leakText(event.leak);
  switch (event.type) {
    case 'leak.found':
      return `${whoText(event.by)} removes ${what}${reasonSuffix(event.why)}`;
    case 'leak.removed':
      return `${whoText(event.by)} removed ${what}`;
    case 'leak.remove-failed':
      return `${what} could not be removed${reasonSuffix(failureText(event.failure))}`;
    default:
      return assertNever(event);
  }
}

/** `port 5f1c of sos-ci-j1kf-1 on lab` */
export function leakText({ server, resources }: Leak): string {
  const what = resources.map(({ kind, id }) => (kind === 'evidence' ? kind : `${kind} ${id}`)).join(', ');
  return server === null ? `${what} on this host` : `${what} of ${server.name} on ${server.provider}`;
}

function whoText(by: string | null): string {
  return by ?? 'the sweep';
}
