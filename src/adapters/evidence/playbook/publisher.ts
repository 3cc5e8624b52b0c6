/**
 * Publishes with the operator's playbook, or with that of the collection. The finished directory is composed once on
 * this host; the playbook gets it in its variable `sos_ci` and answers with the path below the root of all logs. What
 * is promised to readers and after a crash is promised by the playbook: that of the collection keeps the whole contract
 * of Publisher.
 */
import { join } from 'node:path';
import type { Expiry, FinishedDirectory, Publisher } from '../../../engine/ports/publisher.ts';
import { OperationError } from '../../../errors.ts';
import { isJobId } from '../files/safe-names.ts';
import { composeHere } from '../publish/compose-here.ts';
import { PAGE_TEMPLATE } from '../publish/parent-pages.ts';
import { noFreeName } from '../publish/publish.ts';

export interface PlaybookPublisherOptions {
  readonly publish: string;
  /** Null: published directories stay. */
  readonly expire: string | null;
  /** Runs a playbook with the variable `sos_ci`, and resolves to its answer; null: it gave none. */
  readonly run: (call: Play) => Promise<unknown>;
}

/** One run of a playbook. */
interface Play {
  readonly operation: string;
  /** Only the path of the playbook. */
  readonly argv: readonly string[];
  readonly input: object;
  /** A run that a killed daemon left in this directory is continued. */
  readonly directory?: string;
  readonly timeoutMs: number;
  readonly outputLimitBytes: number;
  readonly signal: AbortSignal;
}

const LIMITS = {
  /** Ends a run whose daemon does not come back. A publication and a round of expiry have shorter limits. */
  timeoutMs: 3_600_000,
  /** The ids of 100,000 expired jobs. */
  outputLimitBytes: 4 * 1024 ** 2,
};

export class PlaybookPublisher implements Publisher {
  readonly #options: PlaybookPublisherOptions;

  constructor(options: PlaybookPublisherOptions) {
    this.#options = options;
  }

  async publish(finished: FinishedDirectory, signal: AbortSignal): Promise<readonly string[]> {
    const { publish, run } = this.#options;
    const { job, parent, names } = finished;
    const composed = await composeHere(finished, signal);
    const place = { job, path: [...parent, names[0]].join('/'), parents: parent, names, page: PAGE_TEMPLATE };
    const call = { ...LIMITS, operation: 'publish evidence', argv: [publish], signal };
    const answer = await run(
      typeof composed === 'string'
        ? {
            ...call,
            input: { ...place, directory: composed },
            directory: join(finished.directory, 'playbook'),
          }
        : { ...call, input: place },
    );
    const { path, refused } = fieldsOf(answer);
    if (typeof refused === 'string' && refused !== '') throw noFreeName(parent, names);
    const published = names.find((name) => path === [...parent, name].join('/'));
    if (published !== undefined) return [...parent, published];
    throw typeof composed === 'string' ? noAnswer(call, 'sos_ci.path', path) : composed;
  }

  async expire({ deployment, before, isNeeded }: Expiry, signal: AbortSignal): Promise<number> {
    const { expire, run } = this.#options;
    if (expire === null) return 0;
    const call = { ...LIMITS, operation: 'remove expired evidence', argv: [expire], signal };
    const expired = async (more: object): Promise<readonly string[]> => {
      const input = { deployment, before: before / 1000, page: PAGE_TEMPLATE, ...more };
      const { expired: jobs } = fieldsOf(await run({ ...call, input }));
      if (!Array.isArray(jobs)) throw noAnswer(call, 'expired', jobs);
      return jobs.filter((job) => typeof job === 'string' && isJobId(job));
    };
    const jobs = (await expired({})).filter((job) => !isNeeded(job));
    return jobs.length === 0 ? 0 : (await expired({ jobs })).length;
  }
}

function fieldsOf(answer: unknown): Readonly<Record<string, unknown>> {
  return typeof answer === 'object' && answer !== null ? { ...answer } : {};
}

function noAnswer({ operation, argv }: Pick<Play, 'operation' | 'argv'>, what: string, found: unknown) {
  const given = found === undefined ? 'nothing' : JSON.stringify(found).slice(0, 200);
  return new OperationError({
    operation,
    target: argv.join(' '),
    message: `the playbook ended without failure, and answered ${given} instead of ${what}`,
    retryable: true,
    hint: 'check that the inventory has a host in the group log_server: docs/publishing.md describes the answer',
  });
}
