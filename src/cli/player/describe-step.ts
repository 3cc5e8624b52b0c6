/** One row of a replayed history as lines for people: what happened, what changed, what is pending. All of it is escaped. */
import { formatDuration } from '../../machines/model/duration.ts';
import { canonicalJson } from '../../machines/protocol/canonical-json.ts';
import type { KeyedEffect } from '../../machines/protocol/effects.ts';
import type { LogRow } from '../../machines/protocol/row.ts';
import {
  type ContextChange,
  contextChanges,
  type ReplayStep,
  type RequestedEffect,
} from '../../machines/replay-rows.ts';
import { plainText } from '../../terminal-text.ts';
import { effectText, pendingText } from '../output/effect.ts';
import { rowText } from '../output/event.ts';
import { cut } from '../output/table.ts';
import { utc } from '../output/time.ts';

export interface StepDescription {
  readonly event: string;
  readonly changed: readonly string[];
  readonly settled: readonly string[];
  readonly withdrawn: readonly string[];
  readonly requested: readonly string[];
  readonly pending: readonly string[];
  readonly timers: readonly string[];
}

/** A value is cut after this many columns. */
const MAX_VALUE = 400;

/** @param moment at or after the row: what is left of timers is counted from it, epoch ms */
export function describeStep(step: ReplayStep, moment: number): StepDescription {
  const { row, settled, withdrawn, pending } = step;
  const before = (item: RequestedEffect) =>
    `${keyedText(item.effect)} (row ${item.version}, ${formatDuration(row.at - item.at)} before)`;
  return escaped({
    event: eventText(row),
    changed: contextChanges(step).map(changeText),
    settled: settled === null ? [] : [before(settled)],
    withdrawn: withdrawn.map(before),
    requested: row.effects.flatMap((effect) =>
      effect.type === 'cancelEffect' ? [] : (effectText(effect) ?? effect.type),
    ),
    pending: pending
      .filter(({ effect }) => effect.type !== 'setTimer')
      .map(({ effect, version, at }) => {
        return `${pendingText(effect, moment)} (row ${version}, ${formatDuration(moment - at)} ago)`;
      }),
    timers: pending.flatMap(({ effect }) =>
      effect.type === 'setTimer' ? [`${pendingText(effect, moment)} (${utc(effect.dueAt)})`] : [],
    ),
  });
}

/** The event of a row, not escaped. A row of a newer program may have fields that this one cannot describe. */
export function eventText(row: LogRow): string {
  try {
    return rowText(row);
  } catch {
    return row.type;
  }
}

function keyedText(effect: KeyedEffect): string {
  return effectText(effect) ?? effect.key;
}

function changeText({ path, before, after }: ContextChange): string {
  const text = (value: unknown) => (isTime(path, value) ? utc(value) : valueText(value));
  if (before === undefined) return `+ ${path}: ${text(after)}`;
  if (after === undefined) return `- ${path}: ${text(before)}`;
  return `${path}: ${text(before)} -> ${text(after)}`;
}

/** Contexts name their times `startedAt`, `dueAt` and so on. */
function isTime(path: string, value: unknown): value is number {
  return path.endsWith('At') && typeof value === 'number' && value > 0;
}

function valueText(value: unknown): string {
  return cut(plainText(canonicalJson(value)), MAX_VALUE);
}

function escaped(description: StepDescription): StepDescription {
  const lines = (texts: readonly string[]) => texts.map(plainText);
  return {
    event: plainText(description.event),
    changed: lines(description.changed),
    settled: lines(description.settled),
    withdrawn: lines(description.withdrawn),
    requested: lines(description.requested),
    pending: lines(description.pending),
    timers: lines(description.timers),
  };
}
