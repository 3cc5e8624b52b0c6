/** What the player shows of a replayed history, computed once: its rows as text, its machine as a tree, its path. Pure. */
import type { NumberedRow } from '../../engine/ports/store.ts';
import type { Stage } from '../../machines/model/domain.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import type { JobView } from '../../machines/protocol/projection.ts';
import { type StateTree, stateTree } from '../../machines/protocol/version.ts';
import type { ReplayedRows, ReplayStep } from '../../machines/replay-rows.ts';
import { versionOf } from '../../machines/versions.ts';
import { plainText } from '../../terminal-text.ts';
import { effectText } from '../output/effect.ts';
import { topState } from '../output/state-spans.ts';
import { eventText } from './describe-step.ts';

/** All texts are escaped. */
export interface TimelineEntry {
  readonly step: ReplayStep<NumberedRow>;
  /** Since the first row. */
  readonly time: string;
  /** The row led to another top-level state. */
  readonly entersState: boolean;
  readonly text: string;
  /** In lower case: what a search finds. */
  readonly searched: string;
  /** It requested, settled or withdrew something. */
  readonly hasEffects: boolean;
  /** The newest stage that was requested by then. */
  readonly stage: StageRunView | null;
}

export interface StageRunView {
  readonly stage: Stage;
  readonly job: JobView;
  /** Epoch ms; null: no row says that it ended. */
  readonly endedAt: number | null;
}

export interface Timeline {
  readonly title: string;
  /** The machine's states; its own path is ''. */
  readonly tree: StateTree;
  /** At least one. */
  readonly entries: readonly TimelineEntry[];
  /** Why the rows after the last one are not shown; null: there are none. */
  readonly difference: string | null;
}

/** @throws if there is no row */
export function timelineOf({ steps, difference }: ReplayedRows<NumberedRow>): Timeline {
  const [first] = steps;
  const last = steps.at(-1);
  if (first === undefined || last === undefined) throw new Error('a timeline needs a row');
  let stage: StageRunView | null = null;
  const entries = steps.map((step): TimelineEntry => {
    const { row, before, after } = step;
    stage = stageAfter(step, stage, steps);
    const requested = row.effects.map((effect) => effectText(effect) ?? effect.type);
    const text = eventText(row);
    return {
      step,
      time: `+${formatDuration(row.at - first.row.at)}`,
      entersState: before === null || topState(before.state) !== topState(after.state),
      text: plainText(text),
      searched: plainText([text, row.type, after.state, ...requested].join('\n')).toLowerCase(),
      hasEffects: row.effects.length > 0 || step.settled !== null || step.withdrawn.length > 0,
      stage,
    };
  });
  return {
    title: titleOf(last),
    tree: stateTree(versionOf(last.after).machine),
    entries,
    difference:
      difference === null
        ? null
        : plainText(
            `row ${difference.version} differs in ${difference.field}: sos-ci replay ${last.row.history}`,
          ),
  };
}

function titleOf({ after }: ReplayStep): string {
  const view = versionOf(after).project(after);
  const { history, machine } = after;
  if (view.kind !== 'job') return plainText(`${history}  ${machine}`);
  return plainText(`${view.name}  ${view.change},${view.patchset}  ${history}  ${machine}`);
}

function stageAfter(
  { row, after }: ReplayStep,
  before: StageRunView | null,
  steps: readonly ReplayStep[],
): StageRunView | null {
  const view = versionOf(after).project(after);
  const requested = row.effects.find((effect) => effect.type === 'runStage');
  if (view.kind !== 'job' || requested === undefined) return before;
  const end = steps.find(({ settled }) => settled?.effect.key === requested.key);
  const { stage, owner } = requested.run;
  return { stage, job: { ...view, attempt: owner.attempt }, endedAt: end?.row.at ?? null };
}

/** One stay in a state. */
export interface Visit {
  readonly state: string;
  readonly from: number;
  /** Epoch ms. */
  readonly to: number;
}

/** The stays of a history in its states, up to a moment during the row `index`. */
export function visitsOf({ entries }: Timeline, index: number, moment: number): readonly Visit[] {
  const visits: Visit[] = [];
  for (const [at, { step }] of entries.slice(0, index + 1).entries()) {
    const from = step.row.at;
    const to = at === index ? moment : (entries[at + 1]?.step.row.at ?? moment);
    const last = visits.at(-1);
    if (last?.state === step.after.state) visits[visits.length - 1] = { ...last, to };
    else visits.push({ state: step.after.state, from, to });
  }
  return visits;
}
