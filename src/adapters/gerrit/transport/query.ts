/**
 * Runs `gerrit query` and validates rows. A row `{"type":"error"}` is a failure whatever the exit status, and so is an
 * answer without its closing `stats` row.
 */
import { z } from 'zod';
import { OperationError } from '../../../errors.ts';
import type { Patchset } from '../../../machines/model/domain.ts';
import type { SshClient } from '../../ssh/client/client.ts';
import type { CommandResult } from '../../ssh/client/command.ts';
import * as shapes from '../json-schemas.ts';
import { runGerrit } from './ssh-command.ts';
import type { GerritOptions } from './ssh-connection.ts';

/** Query options for data beyond the change itself. */
export type QueryPart =
  | '--comments'
  | '--current-patch-set'
  | '--patch-sets'
  | '--all-approvals'
  | '--commit-message'
  | '--dependencies'
  | '--submit-records'
  | '--files';

export interface QueryRequest {
  /** The target of the query, for display. */
  readonly target: string;
  /** One operand in Gerrit's query language; it must not begin with `-`. */
  readonly terms: string;
  readonly parts: readonly QueryPart[];
  /** Rows to skip, for paging. */
  readonly start?: number;
}

export interface QueryResult {
  /** Not validated yet. */
  readonly rows: readonly unknown[];
  /** There is another page. */
  readonly more: boolean;
}

const MESSAGE_LIMIT = 65_536;
const STATUS_LIMIT = 20;

const approval = z.object({
  type: z.string().max(100).optional(),
  description: z.string().max(100).optional(),
  value: shapes.vote,
  by: shapes.account,
});

const patchSet = shapes.patchSet.extend({ approvals: z.array(approval).nullish() });

const changeRow = shapes.change.extend({
  status: shapes.text(STATUS_LIMIT),
  comments: z.array(z.object({ reviewer: shapes.account, message: shapes.text(MESSAGE_LIMIT) })).nullish(),
  currentPatchSet: patchSet.optional(),
  patchSets: z.array(patchSet).nullish(),
});

export type ChangeRow = z.infer<typeof changeRow>;
export type PatchSetRow = z.infer<typeof patchSet>;

/** Runs the query over an open connection. */
export async function queryRows(
  connection: SshClient,
  options: GerritOptions,
  request: QueryRequest,
  signal: AbortSignal,
): Promise<QueryResult> {
  const result = await runGerrit(
    connection,
    {
      argv: ['gerrit', 'query', '--format=JSON', ...request.parts, ...startOf(request), request.terms],
      stdin: null,
      timeoutMs: options.commandTimeoutMs,
      maxStdoutBytes: options.maxResponseBytes,
    },
    signal,
  );
  return readRows(result, request.target);
}

function startOf({ start = 0 }: QueryRequest): readonly string[] {
  return start === 0 ? [] : [`--start=${start}`];
}

/** Null when Gerrit does not show the change to this account. */
export async function queryChange(
  connection: SshClient,
  options: GerritOptions,
  change: number,
  parts: readonly QueryPart[],
  signal: AbortSignal,
): Promise<ChangeRow | null> {
  const target = `change ${change} on ${options.host}`;
  const request = { target, terms: `change:${change}`, parts };
  const answer = await queryRows(connection, options, request, signal);
  const rows = answer.rows.map((row) => {
    const { success, data, error } = changeRow.safeParse(row);
    if (!success) throw queryError(target, `a row has an unknown format: ${z.prettifyError(error)}`, false);
    return data;
  });
  return rows.find((row) => row.number === change) ?? null;
}

/** An unknown status counts as open: Gerrit itself refuses reviews that a closed change does not accept. */
export function isOpen(status: string): boolean {
  return status !== 'ABANDONED' && status !== 'MERGED';
}

/** Null when the row does not contain the patchset. A null number selects the current one. */
export function patchSetOf(row: ChangeRow, number: number | null): PatchSetRow | null {
  const { currentPatchSet } = row;
  if (number === null) return currentPatchSet ?? null;
  if (currentPatchSet?.number === number) return currentPatchSet;
  return row.patchSets?.find((set) => set.number === number) ?? null;
}

export function toPatchset(row: ChangeRow, set: PatchSetRow): Patchset {
  try {
    return shapes.toPatchset(row, set);
  } catch (error) {
    if (!(error instanceof shapes.SchemaMismatch)) throw error;
    throw queryError(`change ${row.number}`, `its ${error.message} cannot be used`, false);
  }
}

/** The rows before the closing `stats` row. */
function readRows(result: CommandResult, target: string): QueryResult {
  if (result.status !== 0) {
    throw queryError(target, result.stderr === '' ? `exit status ${result.status}` : result.stderr, true);
  }
  const rows: unknown[] = [];
  for (const line of result.stdout.split('\n')) {
    if (line.trim() === '') continue;
    const row = readRow(line, target);
    if (row.type === 'stats') return { rows, more: row.moreChanges === true };
    if (row.type === 'error') throw queryError(target, String(row.message), true);
    rows.push(row);
  }
  throw queryError(target, 'the answer is incomplete', true);
}

interface Row {
  readonly type?: unknown;
  readonly message?: unknown;
  readonly moreChanges?: unknown;
}

function readRow(line: string, target: string): Row {
  try {
    const row: unknown = JSON.parse(line);
    if (typeof row === 'object' && row !== null) return row;
  } catch (error) {
    throw queryError(target, 'the answer is not JSON', true, error);
  }
  throw queryError(target, 'the answer contains a row that is not an object', true);
}

export function queryError(
  target: string,
  message: string,
  retryable: boolean,
  cause?: unknown,
): OperationError {
  return new OperationError({
    operation: 'query change',
    target,
    message: `query for ${target}: ${shapes.oneLine(message, 500)}`,
    retryable,
    hint: retryable
      ? 'sos-ci retries automatically'
      : 'sos-ci does not know this form of answer; please report it',
    cause,
  });
}
