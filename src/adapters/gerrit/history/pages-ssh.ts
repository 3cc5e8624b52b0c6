/**
 * Reads history pages over SSH as rows of `gerrit query`. Uses the stream's connection, so it opens none and works
 * exactly while the stream is up.
 */
import { OperationError } from '../../../errors.ts';
import type { SshClient } from '../../ssh/client/client.ts';
import { CommandFailure } from '../../ssh/client/command.ts';
import { type QueryResult, queryRows } from '../transport/query.ts';
import type { GerritOptions } from '../transport/ssh-connection.ts';

export interface PageRequest {
  /** In Gerrit's query language. */
  readonly terms: string;
  /** Rows to skip. */
  readonly start: number;
  readonly rows: number;
  /** As in HistoryRequest. Over SSH, rows always contain their comments. */
  readonly commentsSince: number;
}

/** Null: the answer exceeds the size limit. @throws OperationError */
export type FetchPage = (page: PageRequest, signal: AbortSignal) => Promise<QueryResult | null>;

/** @param connection the stream's connection; null while the stream is down */
export function sshPages(options: GerritOptions, connection: () => SshClient | null): FetchPage {
  return async ({ terms, start, rows }, signal) => {
    const open = connection();
    if (open === null) throw notConnected(options);
    const target = `changes on ${options.host}`;
    const parts = ['--comments', '--current-patch-set'] as const;
    const query = { target, terms: `${terms} limit:${rows}`, parts, start };
    try {
      return await queryRows(open, options, query, signal);
    } catch (error) {
      const cause = error instanceof OperationError ? error.cause : null;
      if (cause instanceof CommandFailure && cause.kind === 'too-long') return null;
      throw error;
    }
  };
}

function notConnected({ host, port }: GerritOptions): OperationError {
  return new OperationError({
    operation: 'query changes',
    target: `${host}:${port}`,
    message: 'there is no connection for the query',
    retryable: true,
    hint: 'the query runs as soon as Gerrit is connected',
  });
}
