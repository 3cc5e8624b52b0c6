/**
 * What an event of Gerrit's means for us: start, supersede, cancel or ignore, always with a reason. Pure: rules and
 * open reviews come in, decisions go out. Our own account triggers nothing, or two CIs would fire each other for ever.
 */
import type { Account, GerritEvent } from './gerrit-event.ts';
import { assertNever, type Patchset, type TriggerKind } from './vocabulary.ts';

export interface TriggerRules {
  /** Our account's username. */
  readonly account: string;
  readonly jobs: readonly {
    readonly name: string;
    readonly project: string;
    /** Globs: `*` is any run of characters. */
    readonly branches: readonly string[];
    readonly triggers: readonly TriggerKind[];
  }[];
}

/** A review of ours on the same change that has not ended. */
export interface OpenReview {
  readonly id: string;
  readonly patchset: number;
  /** False: its jobs have handed over, and only its comment or vote is on the way. People answer to that already. */
  readonly testing: boolean;
}

export type Decision =
  | {
      readonly do: 'start';
      readonly patchset: Patchset;
      /** Names of the jobs. */
      readonly jobs: readonly string[];
      /** The same for the same cause, so that it starts at most once. */
      readonly trigger: string;
      readonly why: string;
    }
  | { readonly do: 'supersede'; readonly review: string; readonly by: string; readonly why: string }
  | { readonly do: 'cancel'; readonly review: string; readonly why: string }
  | { readonly do: 'ignore'; readonly why: string };

export function decide(
  event: GerritEvent,
  rules: TriggerRules,
  open: readonly OpenReview[],
): readonly Decision[] {
  switch (event.type) {
    case 'patchset-created':
      return onPatchset(event, rules, open, 'new patchset');
    case 'change-ready':
      // The patchset was ignored while nobody should see it; one that was tested is not tested again.
      return onPatchset(event, rules, open, 'the change is ready');
    case 'comment-added':
      return onComment(event, rules, open);
    case 'change-abandoned':
      return cancelAll(open, 'the change was abandoned');
    case 'change-merged':
      return cancelAll(open, 'the change was merged');
    case 'change-deleted':
      return cancelAll(open, 'the change was deleted');
    case 'change-restored':
      return onRestored(event, rules, open);
    case 'dropped-output':
      return [{ do: 'ignore', why: 'Gerrit lost events for us' }];
    case 'other':
      return [{ do: 'ignore', why: `${event.name} starts nothing` }];
    default:
      return assertNever(event);
  }
}

function onPatchset(
  event: Extract<GerritEvent, { type: 'patchset-created' | 'change-ready' }>,
  rules: TriggerRules,
  open: readonly OpenReview[],
  why: string,
): readonly Decision[] {
  const { patchset } = event;
  if (isOurs(event.by, rules)) return [{ do: 'ignore', why: 'our own patchset' }];
  if (open.some((review) => review.patchset > patchset.patchset)) {
    return [{ do: 'ignore', why: 'a newer patchset is being tested' }];
  }
  if (event.wip || event.private) {
    return [...supersede(patchset, open), { do: 'ignore', why: hidden(event) }];
  }
  return [...supersede(patchset, open), ...start(patchset, rules, [], 'patchset', 'created', why)];
}

function onRestored(
  event: Extract<GerritEvent, { type: 'change-restored' }>,
  rules: TriggerRules,
  open: readonly OpenReview[],
): readonly Decision[] {
  if (event.wip || event.private) return [{ do: 'ignore', why: hidden(event) }];
  return [
    ...supersede(event.patchset, open),
    ...start(event.patchset, rules, open, 'restored', `restored:${event.at}`, 'the change was restored'),
  ];
}

function onComment(
  event: Extract<GerritEvent, { type: 'comment-added' }>,
  rules: TriggerRules,
  open: readonly OpenReview[],
): readonly Decision[] {
  if (isOurs(event.by, rules)) return [{ do: 'ignore', why: 'our own comment' }];
  if (!isRecheck(event.comment)) return [{ do: 'ignore', why: 'a comment that asks for nothing' }];
  const who = event.by.username || event.by.email || event.by.name;
  return [
    ...supersede(event.patchset, open),
    ...start(event.patchset, rules, open, 'recheck', `recheck:${who}:${event.at}`, `recheck by ${who}`),
  ];
}

/** Reviews of older patchsets: nobody waits for them any more. */
function supersede(patchset: Patchset, open: readonly OpenReview[]): readonly Decision[] {
  const by = `${patchset.change},${patchset.patchset}`;
  return open
    .filter((review) => review.patchset < patchset.patchset)
    .map((review): Decision => ({ do: 'supersede', review: review.id, by, why: `patchset ${by} is newer` }));
}

function hidden(event: { readonly wip: boolean }): string {
  return event.wip ? 'work in progress' : 'private';
}

function start(
  patchset: Patchset,
  rules: TriggerRules,
  open: readonly OpenReview[],
  kind: TriggerKind,
  cause: string,
  why: string,
): readonly Decision[] {
  const jobs = rules.jobs
    .filter(
      (job) =>
        job.project === patchset.project &&
        job.triggers.includes(kind) &&
        job.branches.some((glob) => matches(glob, patchset.branch)),
    )
    .map((job) => job.name);
  if (jobs.length === 0)
    return [{ do: 'ignore', why: `${why}: no job for ${patchset.project} ${patchset.branch}` }];
  if (open.some((review) => review.testing && review.patchset >= patchset.patchset)) {
    return [{ do: 'ignore', why: 'this patchset or a newer one is being tested' }];
  }
  const trigger = `${patchset.project}~${patchset.change},${patchset.patchset}:${cause}`;
  return [{ do: 'start', patchset, jobs, trigger, why }];
}

function cancelAll(open: readonly OpenReview[], why: string): readonly Decision[] {
  if (open.length === 0) return [{ do: 'ignore', why: `${why}; nothing of ours is open` }];
  return open.map((review): Decision => ({ do: 'cancel', review: review.id, why }));
}

/**
 * OpenDev's rule: the whole comment, after Gerrit's own header, begins with `recheck`. A quoted or polite one does not
 * count, and neither does a word that merely begins so.
 */
export function isRecheck(comment: string): boolean {
  const [head = '', ...rest] = comment.split('\n');
  const header = /^Patch Set \d+:/u.exec(head)?.[0];
  const lines = header === undefined ? [head, ...rest] : [withoutVotes(head.slice(header.length)), ...rest];
  const first = lines.find((line) => line.trim() !== '' && !/^\(\d+ comments?\)$/u.test(line.trim()));
  return /^\s*recheck(?![\w-])/iu.test(first ?? '');
}

/** Gerrit's header goes on with the votes: ` Code-Review+1 -Verified`. */
function withoutVotes(text: string): string {
  const words = text.split(/\s+/u).filter((word) => word !== '');
  const first = words.findIndex((word) => !/^(?:-[A-Za-z][\w-]*|[A-Za-z][\w-]*[+-]\d+)$/u.test(word));
  return first < 0 ? '' : words.slice(first).join(' ');
}

function isOurs(account: Account, rules: TriggerRules): boolean {
  return account.username === rules.account;
}

/** A glob over a branch name, without a regular expression that a branch name could make slow. */
export function matches(glob: string, text: string): boolean {
  const parts = glob.split('*');
  const [first = ''] = parts;
  if (parts.length === 1) return glob === text;
  if (!text.startsWith(first)) return false;
  let from = first.length;
  for (const part of parts.slice(1, -1)) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  const last = parts.at(-1) ?? '';
  return text.length - from >= last.length && text.endsWith(last);
}
