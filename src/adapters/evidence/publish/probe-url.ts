/**
 * Checks whether readers of our comments can reach the published logs: one request as a browser makes it, without a
 * login.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { errorText, OperationError } from '../../../errors.ts';

export interface Reached {
  readonly status: number;
  /** The server's clock, ms since the epoch; null: not reported. */
  readonly date: number | null;
}

/** Resolves for any HTTP status. @throws OperationError when there is no answer */
export function reachAddress(address: string, signal: AbortSignal): Promise<Reached> {
  const url = new URL(address.endsWith('/') ? address : `${address}/`);
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      method: 'GET',
      agent: false,
      signal,
      headers: { 'user-agent': 'sos-ci' },
    });
    request.on('response', (response) => {
      const date = Date.parse(response.headers.date ?? '');
      resolve({ status: response.statusCode ?? 0, date: Number.isNaN(date) ? null : date });
      response.destroy();
    });
    request.on('error', (error) => reject(unreached(address, error)));
    request.end();
  });
}

function unreached(target: string, cause: unknown): OperationError {
  return new OperationError({
    operation: 'reach logs',
    target,
    message: `no answer from ${target}: ${errorText(cause)}`,
    retryable: true,
    hint: 'check that the web server runs, and that logs.url is the address for readers',
    cause,
  });
}
