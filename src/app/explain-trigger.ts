/**
 * Applies the trigger's rules to archived events and to the current state of a change. A composition root: combines the
 * reading adapters with the pure rules. Starts, writes and sends nothing.
 */
import { systemClock } from '../adapters/clock/system.ts';
import { readCurrentChange } from '../adapters/gerrit/changes/current-change.ts';
import { isMetaRefUpdate, type Line, LineSplitter } from '../adapters/gerrit/stream/line-splitter.ts';
import { parseEvent } from '../adapters/gerrit/stream/parse-event.ts';
import type { Config } from '../config/config.ts';
import type { Patchset } from '../machines/model/domain.ts';
import { type CurrentChange, changeOf, type GerritEvent } from '../machines/model/gerrit-event.ts';
import type { JobFinding } from '../machines/trigger/rules/job-matcher.ts';
import { type Decision, explain, resume, type TriggerRules } from '../machines/trigger/trigger.ts';
import { SimulatedFacts } from '../machines/trigger/trigger-facts.ts';
import { sha256 } from './database-admin.ts';

/** The result for one line. */
export type ExplainedLine = { readonly line: number } & (
  | {
      readonly event: GerritEvent;
      readonly decisions: readonly Decision[];
      /** The decision for each job; empty: no job was considered. */
      readonly jobs: readonly JobFinding[];
    }
  /** A start that was delayed by a limit and was decided before this line. */
  | { readonly waited: Patchset; readonly decisions: readonly Decision[] }
  | { readonly rejected: string }
  /** An update of a change's notes, which is dropped without parsing. */
  | { readonly dropped: string }
);

/**
 * Decides each line as the daemon does, as if every job ended before the next line. Counts starts across lines, so that limits
 * apply; a delayed start is decided when the time of a later line allows it.
 * @param onLine called for each non-empty line, in order
 */
export async function explainLines(
  rules: TriggerRules,
  chunks: AsyncIterable<Uint8Array>,
  lineLimitBytes: number,
  onLine: (line: ExplainedLine) => void,
): Promise<void> {
  const splitter = new LineSplitter(lineLimitBytes);
  const simulated = new SimulatedFacts(sha256);
  let number = 0;
  const explain = (line: Line): void => {
    number += 1;
    for (const explained of explainLine(line, number, rules, simulated))
      onLine({ line: number, ...explained });
  };
  for await (const chunk of chunks) for (const line of splitter.push(Buffer.from(chunk))) explain(line);
  const rest = splitter.end();
  if (rest !== null) explain(rest);
}

/** Null when Gerrit does not show the change to our account. @throws OperationError */
export function fetchChange(config: Config, change: number): Promise<CurrentChange | null> {
  return readCurrentChange(config.gerrit, systemClock, change);
}

type Explained = ExplainedLine extends infer L ? (L extends unknown ? Omit<L, 'line'> : never) : never;

function explainLine(
  line: Line,
  number: number,
  rules: TriggerRules,
  simulated: SimulatedFacts,
): readonly Explained[] {
  if (!Buffer.isBuffer(line)) return [{ rejected: `line of ${line.bytes} bytes` }];
  if (line.length === 0 || (line.length === 1 && line[0] === 0x0d)) return [];
  if (isMetaRefUpdate(line)) return [{ dropped: "ref-updated of a change's notes" }];
  const parsed = parseEvent(line);
  if ('rejected' in parsed) return [{ rejected: parsed.rejected.reason }];
  return explainEvent(parsed.event, number, rules, simulated);
}

/** First the delayed starts that are due, then the event. */
export function explainEvent(
  event: GerritEvent,
  number: number,
  rules: TriggerRules,
  simulated: SimulatedFacts,
): readonly Extract<Explained, { readonly decisions: unknown }>[] {
  const at = 'at' in event ? event.at : 0;
  const resumed = simulated.waitingStarts.flatMap((waiting) => {
    const { patchset } = waiting.start;
    const decisions = resume(waiting, rules, simulated.facts(at, number, patchset));
    simulated.apply(decisions, patchset);
    return decisions.length === 0 ? [] : [{ waited: patchset, decisions }];
  });
  const change = changeOf(event);
  const projects = rules.jobs.flatMap((job) => job.projects);
  const novelty = simulated.see(event, number, projects);
  const { decisions, jobs } = explain(event, rules, simulated.facts(at, number, change, novelty));
  simulated.apply(decisions, change);
  return [...resumed, { event, decisions, jobs }];
}
