/**
 * The command `gerrit review`: options, or `--json` with a ReviewInput on standard input; one or several changes named by
 * CHANGE,PATCHSET or by commit. Exit statuses and messages are those of real servers.
 */
import { parseOptions, UsageError } from './command-line.ts';
import {
  moveChange,
  postReview,
  type ReviewInput,
  ReviewRejected,
  readReviewInput,
  submitChange,
} from './review.ts';
import type { ChangeRecord, GerritAccount, GerritState, PatchsetRecord } from './state.ts';
import { canSee } from './state.ts';

export interface CommandResult {
  readonly status: number;
  readonly stderr: string;
}

interface Target {
  readonly change: ChangeRecord;
  readonly patchset: PatchsetRecord;
}

const OPTIONS = [
  { name: '--project', aliases: ['-p'], takesValue: true },
  { name: '--branch', aliases: ['-b'], takesValue: true },
  { name: '--message', aliases: ['-m'], takesValue: true },
  { name: '--notify', aliases: ['-n'], takesValue: true },
  { name: '--label', aliases: ['-l'], takesValue: true },
  { name: '--tag', aliases: ['-t'], takesValue: true },
  { name: '--verified', takesValue: true },
  { name: '--code-review', takesValue: true },
  { name: '--json', aliases: ['-j'], takesValue: false },
  { name: '--abandon', takesValue: false },
  { name: '--restore', takesValue: false },
  { name: '--submit', aliases: ['-s'], takesValue: false },
];

/** True when the command reads a ReviewInput from its standard input. */
export function readsInput(args: readonly string[]): boolean {
  return args.includes('--json') || args.includes('-j');
}

/** @throws UsageError for a command line that Gerrit rejects */
export async function runReview(
  state: GerritState,
  by: GerritAccount,
  args: readonly string[],
  stdin: string,
): Promise<CommandResult> {
  const { options, operands } = parseOptions(args, OPTIONS);
  const one = (name: string): string => options.get(name)?.at(-1) ?? '';
  refuseContradictions(options);
  if (operands.length === 0) throw new UsageError('Argument "{COMMIT | CHANGE,PATCHSET}" is required');
  const targets = operands.map((operand) => findTarget(state, by, operand, one('--project')));
  let input: ReviewInput;
  if (options.has('--json')) {
    const parsed = readReviewInput(stdin);
    if (parsed === null) {
      const why = 'error: java.lang.IllegalStateException: Expected BEGIN_OBJECT\n';
      return { status: 1, stderr: `${why}\nfatal: internal error while reading review input\n` };
    }
    input = parsed;
  } else {
    const changesStatus = options.has('--abandon') || options.has('--restore');
    const message = changesStatus ? '' : one('--message');
    input = { message, labels: optionLabels(options), tag: one('--tag'), comments: {} };
  }
  // On real servers, errors of options have the prefix `fatal:`, and errors of JSON do not.
  const prefix = options.has('--json') ? 'error: ' : 'error: fatal: ';
  let stderr = '';
  for (const { change, patchset } of targets) {
    try {
      if (!canSee(by, change)) throw new ReviewRejected(`Not found: ${change.number}`, 404);
      if (options.has('--abandon')) moveChange(state, by, change, 'abandon', one('--message'));
      else if (options.has('--restore')) moveChange(state, by, change, 'restore', one('--message'));
      else postReview(state, by, change, patchset, input);
      if (options.has('--submit')) await submitChange(state, by, change);
    } catch (error) {
      if (!(error instanceof ReviewRejected)) throw error;
      stderr += `${prefix}${error.message}\n\n`;
    }
  }
  if (stderr === '') return { status: 0, stderr: '' };
  return { status: 1, stderr: `${stderr}fatal: one or more reviews failed; review output above\n` };
}

function refuseContradictions(options: ReadonlyMap<string, readonly string[]>): void {
  for (const [a, b] of [
    ['--abandon', '--restore'],
    ['--abandon', '--submit'],
    ['--restore', '--submit'],
  ] as const) {
    if (options.has(a) && options.has(b)) {
      throw new UsageError(`${a.slice(2)} and ${b.slice(2)} actions are mutually exclusive`);
    }
  }
  if (!options.has('--json')) return;
  for (const name of ['--message', '--label', '--tag', '--abandon', '--restore', '--submit', '--verified']) {
    if (options.has(name)) throw new UsageError(`json and ${name.slice(2)} are mutually exclusive`);
  }
}

function findTarget(state: GerritState, by: GerritAccount, operand: string, project: string): Target {
  const pair = /^(\d+),(\d+)$/.exec(operand);
  if (pair !== null) {
    const change = state.changes.get(Number(pair[1]));
    // With a project, Gerrit does not report that the change does not exist.
    if (change === undefined && project === '') throw new UsageError(`"${pair[1]}" no such change`);
    if (change === undefined || (project !== '' && change.project !== project))
      throw new UsageError('database error');
    const patchset = change.patchsets.find((p) => p.number === Number(pair[2]));
    if (patchset === undefined) throw new UsageError(`"${operand}" no such patch set`);
    return { change, patchset };
  }
  if (!/^[0-9a-f]{4,40}$/.test(operand)) throw new UsageError(`"${operand}" is not a valid patch set`);
  for (const change of state.changes.values()) {
    if (!canSee(by, change) || (project !== '' && change.project !== project)) continue;
    const patchset = change.patchsets.find((p) => p.revision.startsWith(operand));
    if (patchset !== undefined) return { change, patchset };
  }
  throw new UsageError(`"${operand}" no such patch set`);
}

function optionLabels(options: ReadonlyMap<string, readonly string[]>): Record<string, number> {
  const pairs = (options.get('--label') ?? []).map((pair) => pair.split('='));
  for (const value of options.get('--verified') ?? []) pairs.push(['Verified', value]);
  for (const value of options.get('--code-review') ?? []) pairs.push(['Code-Review', value]);
  const labels: Record<string, number> = {};
  for (const [name = '', value = ''] of pairs) {
    if (!/^[+-]?\d+$/.test(value)) throw new UsageError(`For input string: "${value}"`);
    labels[name] = Number(value);
  }
  return labels;
}
