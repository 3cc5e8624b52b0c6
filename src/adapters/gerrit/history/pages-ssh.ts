/**
 * One page of Gerrit's own account, as rows of the form that `gerrit query` gives them: by SSH, on the connection that the
 * stream runs on, so that no second one is made for it, and it is there exactly while events come.
 */
import { OperationError } from '../../../errors.ts';
import type { SshClient } from '../../ssh/client/client.ts';
import { CommandFailure } from '../../ssh/client/command.ts';
import { type Answer, queryRows } from '../transport/query.ts';
import type { GerritOptions } from '../transport/ssh-connection.ts';

export interface PageRequest {
  /** In Gerrit's query language. */
  readonly terms: string;
  /** Rows to pass over. */
  readonly start: number;
  readonly rows: number;
}

/** Null: it is longer than anybody believes. @throws OperationError */
export type FetchPage = (page: PageRequest, signal: AbortSignal) => Promise<Answer | null>;

/** @param connection the stream's own, null while there is none */
export function sshPages(options: GerritOptions, connection: () => SshClient | null): FetchPage {
  return async ({ terms, start, rows }, signal) => {
    const open = connection();
    if (open === null) throw notConnected(options);
    const target = `changes on ${options.host}`;
    const parts = ['--comments', '--current-patch-set'] as const;
    const question = { target, terms: `${terms} limit:${rows}`, parts, start };
    try {
      return await queryRows(open, options, question, signal);
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
    message: 'there is no connection to ask on',
    retryable: true,
    hint: 'it is asked as soon as there is one',
  });
}
