/** An event as people type it: JSON, or the name of one without fields. Checked against the schema of its type. */
import { z } from 'zod';
import schema from '../../machines/protocol/event-schema.json' with { type: 'json' };
import type { AnyEvent } from '../../machines/protocol/events.ts';
import { plainText } from '../../terminal-text.ts';

export type TypedEvent =
  | {
      readonly event: AnyEvent /** The key of an effect that was named; null: none was. */;
      readonly settles: string | null;
    }
  /** `name`: the event's name if it has this schema; null: no event has the name. */
  | { readonly problem: string; readonly name: string | null };

/** Problems of one event that are shown. */
const SHOWN = 5;

/** @param text `slot.granted` or `{"type": "stage.lost", "stage": "testing", "why": "x", "settles": "KEY"}` */
export function parseEvent(text: string): TypedEvent {
  const value = text.trimStart().startsWith('{') ? parsedJson(text) : { type: text };
  if (typeof value === 'string') return { problem: value, name: null };
  const { settles = null, ...event } = value;
  if (settles !== null && typeof settles !== 'string')
    return { problem: 'settles is the key of an effect', name: null };
  const { type } = event;
  if (typeof type !== 'string' || !Object.hasOwn(schema.events, type))
    return { problem: `there is no event ${plainText(JSON.stringify(type ?? null))}`, name: null };
  const result = schemaOf(type as keyof typeof schema.events).safeParse(event);
  if (result.success) return { event: event as unknown as AnyEvent, settles };
  const problems = result.error.issues.slice(0, SHOWN).map(({ path, message }) => {
    return path.length === 0 ? message : `${path.join('.')}: ${message}`;
  });
  return { problem: plainText(`${type}: ${problems.join('; ')}`), name: type };
}

const schemas = new Map<string, z.ZodType>();

function schemaOf(type: keyof typeof schema.events): z.ZodType {
  const known = schemas.get(type);
  if (known !== undefined) return known;
  const text = { ...schema.events[type], $defs: schema.$defs };
  const made = z.fromJSONSchema(text as Parameters<typeof z.fromJSONSchema>[0]);
  schemas.set(type, made);
  return made;
}

function parsedJson(text: string): Readonly<Record<string, unknown>> | string {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
    return plainText(`not JSON: ${thrown.message}`);
  }
}
