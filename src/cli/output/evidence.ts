/** Describes the events of evidence: collected, published now or later, abandoned. */

import { assertNever } from '../../machines/model/domain.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import { count, reasonSuffix } from './event.ts';
import { bytes } from './time.ts';

const TYPES = [
  'evidence.collected',
  'evidence.published',
  'evidence.abandoned',
  'publication.opened',
  'publication.dropped',
  'job.evidence-published',
  'job.evidence-abandoned',
] as const;
type EvidenceEvent = Extract<AnyEvent, { type: (typeof TYPES)[number] }>;

export function isEvidenceEvent(event: AnyEvent): event is EvidenceEvent {
  return (TYPES as readonly string[]).includes(event.type);
}

export function evidenceText(event: EvidenceEvent): string {
  switch (event.type) {
    case 'evidence.collected':
      return `evidence collected: ${count(event.files, 'file')}, ${bytes(event.bytes)}${event.skipped > 0 ? `, ${event.skipped} skipped` : ''}`;
    case 'evidence.published':
      return `evidence published at ${event.url}`;
    case 'evidence.abandoned':
      return `evidence was abandoned${reasonSuffix(event.why)}`;
    case 'publication.opened':
      return `evidence of ${bytes(event.bytes)} is waiting to be published at ${event.url}${reasonSuffix(event.why)}`;
    case 'publication.dropped':
      return `abandoned${reasonSuffix(event.why)}`;
    case 'job.evidence-published':
      return `evidence of ${event.job} was published at ${event.url}`;
    case 'job.evidence-abandoned':
      return `evidence of ${event.job} was abandoned${reasonSuffix(event.why)}`;
    default:
      return assertNever(event);
  }
}
