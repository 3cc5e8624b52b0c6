/** One change as Gerrit shows it now: what a new patchset, or a comment that asks for a run, would start on it. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { triggerRules } from '../config/build-triggers.ts';
import type { Config } from '../config/config.ts';
import type { StoreReader } from '../engine/store.ts';
import { askChange } from '../explain.ts';
import type { ChangeNow } from '../machines/gerrit-event.ts';
import { nameOf } from '../machines/rules/account.ts';
import { LIMIT_WINDOW_MS, NO_STARTS, type StartCounts } from '../machines/rules/limit.ts';
import { voteText } from '../machines/rules/vote.ts';
import type { OpenReview, Start } from '../machines/trigger.ts';
import { type JobOutlook, type Outlook, whatIf } from '../machines/what-if.ts';
import { plainText } from '../plain-text.ts';
import { CliError, EXIT } from './exit.ts';
import { type Io, paint, printJson } from './io.ts';
import { type Column, printTable } from './layout.ts';
import { databaseIn } from './open.ts';
import { holdText } from './trigger-lines.ts';

/** What our own log knows of the change: nothing, where there is none. */
export interface Ours {
  readonly open: readonly OpenReview[];
  readonly counts: (start: Start) => StartCounts;
}

const NOTHING: Ours = { open: [], counts: () => NO_STARTS };

export async function explainChange(
  io: Io,
  config: Config,
  number: number,
  options: { readonly json?: boolean; readonly state?: string },
): Promise<number> {
  const change = await askChange(config, number);
  if (change === null) {
    const hint = 'is the number right, and may our account read it?';
    throw new CliError(EXIT.refused, `${config.gerrit.host} does not show change ${number}`, hint);
  }
  const file = databaseIn(options.state === undefined ? config.stateDir : resolve(options.state));
  return withOurs(file, change, (ours) => showOutlooks(io, config, change, ours, options.json ?? false));
}

/** Exit code 0 when something would start. */
export function showOutlooks(io: Io, config: Config, change: ChangeNow, ours: Ours, json: boolean): number {
  const files = new Map(config.jobs.map(({ spec }) => [spec.name, spec.files]));
  const outlooks = whatIf(change, { rules: triggerRules(config), files, now: io.now(), ...ours });
  if (json) printJson(io, { change: changeJson(change), outlooks });
  else {
    printChange(io, change);
    for (const outlook of outlooks) printOutlook(io, outlook);
  }
  return outlooks.some(({ starts }) => starts) ? EXIT.ok : EXIT.negative;
}

async function withOurs<T>(file: string, change: ChangeNow, ask: (ours: Ours) => T): Promise<T> {
  if (!existsSync(file)) return ask(NOTHING);
  const { openReader } = await import('../adapters/sqlite/reader.ts');
  const reader = openReader(file);
  try {
    return ask(oursOf(reader, change));
  } finally {
    reader.close();
  }
}

const REVIEWS_LIMIT = 100;

export function oursOf(reader: StoreReader, { patchset: { project, change } }: ChangeNow): Ours {
  const reviews = reader.reviews({ open: true, change, limit: REVIEWS_LIMIT });
  return {
    open: reviews
      .filter((review) => review.project === project)
      .map(({ id, patchset, state }) => ({ id, patchset, testing: /^(preparing|waiting)\b/.test(state) })),
    counts: ({ by, at }) => reader.starts({ project, change, by, since: at - LIMIT_WINDOW_MS, until: at }),
  };
}

function printChange(io: Io, change: ChangeNow): void {
  const { patchset, status, kind, uploader, author, hashtags, files, votes } = change;
  const line = (title: string, text: string): void => {
    if (text !== '') io.out(`${paint(io, 'dim', title.padEnd(9))} ${plainText(text)}\n`);
  };
  const flags = [status, ...(change.wip ? ['work in progress'] : []), ...(change.private ? ['private'] : [])];
  line('change', `${patchset.change},${patchset.patchset}  ${patchset.project}  ${patchset.branch}`);
  line('subject', patchset.subject);
  line('state', [...flags, ...(kind === '' ? [] : [kind])].join(', '));
  line('uploader', nameOf(uploader));
  line('author', nameOf(author));
  line('topic', patchset.topic);
  line('hashtags', hashtags.join(', '));
  line('files', files === null ? 'too many to be asked for, or a merge' : String(files.length));
  line('votes', votes.map((vote) => `${vote.account || 'somebody'} ${voteText(vote)}`).join(', '));
}

function printOutlook(io: Io, outlook: Outlook): void {
  const title = outlook.comment === null ? 'A new patchset' : `A comment "${outlook.comment}"`;
  const wait = outlook.hold === null ? '' : `, ${holdText(outlook.hold)}`;
  const answer = outlook.starts
    ? `${paint(io, 'green', 'would start')}${wait}`
    : `would start nothing (${outlook.rule}: ${plainText(outlook.why)})`;
  io.out(`\n${paint(io, 'bold', title)} ${answer}\n`);
  const columns: readonly Column<JobOutlook>[] = [
    { title: 'JOB', text: ({ job }) => job },
    {
      title: 'STARTS',
      text: ({ starts }) => (starts ? 'yes' : 'no'),
      paint: ({ starts }) => (starts ? 'green' : null),
    },
    { title: 'RULE', text: ({ rule }) => rule },
    { title: 'WHY', text: ({ why }) => why },
  ];
  if (outlook.jobs.length > 0) printTable(io, columns, outlook.jobs);
}

function changeJson({ patchset, ...rest }: ChangeNow): object {
  return { ...patchset, ...rest };
}
