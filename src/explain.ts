/**
 * Rules tried out: on events that Gerrit has sent, from a file or a pipe, and on a change as Gerrit shows it. A composition root:
 * it brings the adapters that read together with the pure rules. Nothing is started, written or sent.
 */
import { systemClock } from './adapters/clock/system.ts';
import { changeNow } from './adapters/gerrit/change-now.ts';
import { parseEvent } from './adapters/gerrit/events.ts';
import { isMetaRefUpdate, type Line, LineSplitter } from './adapters/gerrit/lines.ts';
import type { Config } from './config/config.ts';
import type { ChangeNow, GerritEvent } from './machines/gerrit-event.ts';
import type { JobFinding } from './machines/rules/job.ts';
import { reached } from './machines/rules/limit.ts';
import { Tally } from './machines/rules/tally.ts';
import { type Decision, explain, type TriggerRules } from './machines/trigger.ts';

/** What became of one line. */
export type ExplainedLine = { readonly line: number } & (
  | {
      readonly event: GerritEvent;
      readonly decisions: readonly Decision[];
      /** What each job made of it; empty: none was asked. */
      readonly jobs: readonly JobFinding[];
    }
  | { readonly rejected: string }
  /** A note of Gerrit's that is dropped unread. */
  | { readonly dropped: string }
);

/**
 * Each line by itself, as if nothing of ours were open; starts are counted from line to line, so that limits show.
 * @param told called for each line that is not empty, in order
 */
export async function explainLines(
  rules: TriggerRules,
  chunks: AsyncIterable<Uint8Array>,
  lineLimitBytes: number,
  told: (line: ExplainedLine) => void,
): Promise<void> {
  const splitter = new LineSplitter(lineLimitBytes);
  const tally = { starts: new Tally(), triggers: new Set<string>() };
  let number = 0;
  const take = (line: Line): void => {
    number += 1;
    const explained = explainLine(line, rules, tally);
    if (explained !== null) told({ line: number, ...explained });
  };
  for await (const chunk of chunks) for (const line of splitter.push(Buffer.from(chunk))) take(line);
  const rest = splitter.end();
  if (rest !== null) take(rest);
}

/** Null when Gerrit does not show the change to our account. @throws OperationError */
export function askChange(config: Config, change: number): Promise<ChangeNow | null> {
  return changeNow(config.gerrit, systemClock, change);
}

/** What the lines so far have started. */
interface SoFar {
  readonly starts: Tally;
  readonly triggers: Set<string>;
}

type Explained = ExplainedLine extends infer L ? (L extends unknown ? Omit<L, 'line'> : never) : never;

function explainLine(line: Line, rules: TriggerRules, soFar: SoFar): Explained | null {
  if (!Buffer.isBuffer(line)) return { rejected: `line of ${line.bytes} bytes` };
  if (line.length === 0 || (line.length === 1 && line[0] === 0x0d)) return null;
  if (isMetaRefUpdate(line)) return { dropped: "ref-updated of a change's notes" };
  const parsed = parseEvent(line);
  if ('rejected' in parsed) return { rejected: parsed.rejected.reason };
  const { event } = parsed;
  const { decisions, jobs } = explain(event, rules, []);
  return { event, jobs, decisions: decisions.map((decision) => asFollows(decision, rules, soFar)) };
}

/** A start only where nothing before it stands in its way. */
function asFollows(decision: Decision, { limits }: TriggerRules, { starts, triggers }: SoFar): Decision {
  if (decision.do !== 'start') return decision;
  if (triggers.has(decision.trigger)) return { do: 'ignore', rule: 'started', why: 'started before' };
  const { project, change } = decision.patchset;
  const over = reached(limits, starts.counts(decision), { project, change, by: decision.by });
  if (over !== null) return { do: 'ignore', rule: over.rule, why: over.why };
  starts.add(decision);
  triggers.add(decision.trigger);
  return decision;
}
