/**
 * A job's evidence on this host: collected from its run directories and its server's work tree, and handed to a
 * publisher. All state is in files, so a killed daemon loses nothing: each call can be repeated at any point, with the
 * same result.
 */
import { mkdir, rename } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { EvidenceLimits } from '../../config/logs-config.ts';
import type { CollectedSummary, Evidence, TestReport } from '../../engine/ports/adapters.ts';
import type { Expiry, Publisher } from '../../engine/ports/publisher.ts';
import type { SecretValues } from '../../log.ts';
import type { EvidencePart, Ownership, Server, Stage } from '../../machines/model/domain.ts';
import type { KeyedEffect } from '../../machines/protocol/effects.ts';
import { writeAtomically } from '../run/atomic-file.ts';
import { COLLECTED_FILES, COLLECTED_LIST } from './collect/collected.ts';
import { lastLine } from './collect/last-line.ts';
import { collectStages } from './collect/stage-logs.ts';
import { Staging } from './collect/staging.ts';
import { collectTree, storedPath, WORKTREE } from './collect/work-tree.ts';
import { Directory, ifExists } from './files/dir-handle.ts';
import { asFailure, Deadline } from './files/fs-error.ts';
import { type BeforeStep, readChunks } from './files/new-file.ts';
import { removeTree } from './files/remove-tree.ts';
import { checkJobId, isJobId, StoredNames } from './files/safe-names.ts';
import { CONFIGURATION } from './publish/environment.ts';
import { collectedTests } from './publish/failed-tests.ts';
import { RESULTS_PAGE } from './publish/index-page.ts';
import type { PublishRequest } from './publish/manifest.ts';
import { candidateNames, parentSegments, urlOf } from './publish/path.ts';
import { publish } from './publish/publish.ts';
import { resultsPage } from './publish/results-page.ts';
import { current, type SecretSet } from './redact/redact.ts';

type Counts = Omit<CollectedSummary, 'url'>;
type CollectRequest = Extract<KeyedEffect, { type: 'collectEvidence' }>;

/**
 * Copies regular files below `into/tree/`, within the limits, and returns the skipped paths with reasons. Missing paths
 * are not returned.
 */
export type FetchTree = (
  wanted: {
    readonly server: Server;
    /** Relative to the work tree. */
    readonly paths: readonly string[];
    readonly into: string;
    readonly limits: EvidenceLimits & { readonly bytes: number; readonly files: number };
    readonly timeoutMs: number;
  },
  signal: AbortSignal,
) => Promise<readonly { readonly path: string; readonly why: string }[]>;

export interface LocalEvidenceOptions {
  readonly stateDir: string;
  readonly publisher: Publisher;
  /** The URL of the publisher's root. */
  readonly url: string;
  readonly redact: SecretValues;
  /** The limits that a job cannot set. */
  readonly limits: EvidenceLimits;
  /** Copies named paths of the work tree of a remote server; without it they are listed as skipped. */
  readonly fetchTree?: FetchTree;
  /** Reads a subunit stream. */
  readonly readReport: (chunks: AsyncIterable<Uint8Array>) => Promise<TestReport>;
  /** The version of sos-ci, for the pages. */
  readonly version?: string;
  readonly now?: () => number;
  /** For tests: called before each change on the disk. */
  readonly beforeStep?: BeforeStep;
}

export class LocalEvidence implements Evidence {
  readonly #options: LocalEvidenceOptions;
  readonly #limits: EvidenceLimits;
  readonly #secrets: () => SecretSet;
  readonly #now: () => number;
  readonly #beforeStep: BeforeStep;

  constructor(options: LocalEvidenceOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#secrets = current(options.redact);
    this.#now = options.now ?? Date.now;
    this.#beforeStep = options.beforeStep ?? (() => undefined);
  }

  async collect(request: CollectRequest, signal: AbortSignal): Promise<CollectedSummary> {
    const { url } = this.#options;
    const job = checkJobId(request.owner.job);
    const segments = [...parentSegments(request), candidateNames(job)[0]];
    return new Deadline(request.timeoutMs, signal).run('collect evidence', job, async (within) => ({
      ...(await this.#collect(request, within)),
      url: urlOf(url, segments),
    }));
  }

  async publish(request: PublishRequest, signal: AbortSignal): Promise<string> {
    const { publisher, url, version } = this.#options;
    const job = checkJobId(request.owner.job);
    const finished = {
      job,
      parent: parentSegments(request),
      names: candidateNames(job),
      directory: join(this.#finishedRoot, job),
      compose: (root: string, within: AbortSignal) =>
        publish({
          request,
          root,
          staged: join(this.#stagingRoot, job),
          secrets: this.#secrets(),
          ...(version === undefined ? {} : { by: version }),
          now: this.#now,
          signal: within,
          beforeStep: this.#beforeStep,
        }),
    };
    return new Deadline(request.timeoutMs, signal).run('publish evidence', job, async (within) =>
      urlOf(url, await publisher.publish(finished, within)),
    );
  }

  async lastLine({ job, attempt }: Pick<Ownership, 'job' | 'attempt'>, stage: Stage): Promise<string | null> {
    checkJobId(job);
    return lastLine(join(this.#options.stateDir, 'runs', job, String(attempt)), stage, this.#secrets());
  }

  async held(): Promise<readonly string[]> {
    const { stateDir } = this.#options;
    try {
      const run = await this.#directoriesIn(join(stateDir, 'runs'));
      const staged = await this.#directoriesIn(this.#stagingRoot);
      const finished = await this.#directoriesIn(this.#finishedRoot);
      // Includes jobs whose collection was interrupted.
      const jobs = [...run, ...finished, ...staged.map((name) => name.replace(/^\./, ''))].filter(isJobId);
      return [...new Set(jobs)].sort();
    } catch (error) {
      throw asFailure('list evidence', stateDir, error);
    }
  }

  async discard(job: string, part: EvidencePart): Promise<void> {
    checkJobId(job);
    try {
      if (part !== 'collected') await this.#remove(join(this.#options.stateDir, 'runs'), [job]);
      if (part === 'runs') return;
      await this.#remove(this.#stagingRoot, [job, unfinished(job)]);
      await this.#remove(this.#finishedRoot, [job]);
    } catch (error) {
      throw asFailure('discard evidence', job, error);
    }
  }

  expire(expiry: Expiry, timeoutMs: number, signal: AbortSignal): Promise<number> {
    const { publisher, url } = this.#options;
    return new Deadline(timeoutMs, signal).run('remove expired evidence', url, (within) =>
      publisher.expire(expiry, within),
    );
  }

  get #stagingRoot(): string {
    return join(this.#options.stateDir, 'evidence');
  }

  /** Finished directories until they are published on another host. */
  get #finishedRoot(): string {
    return join(this.#options.stateDir, 'finished');
  }

  async #collect(request: CollectRequest, signal: AbortSignal): Promise<Counts> {
    const { job } = request.owner;
    await mkdir(this.#stagingRoot, { recursive: true, mode: 0o700 });
    const root = await Directory.at(this.#stagingRoot);
    return root.using(async () => {
      this.#beforeStep('remove what was staged before');
      await removeTree(root, unfinished(job));
      this.#beforeStep('make staging');
      const staging = await root.enterOrMake(unfinished(job), 0o700);
      const collected = await staging.using(() => this.#gather(request, staging, signal));
      this.#beforeStep('remove what was collected before');
      await removeTree(root, job);
      this.#beforeStep('put staging in place');
      await rename(root.path(unfinished(job)), root.path(job));
      await root.sync();
      return collected;
    });
  }

  /** Fills the staging directory and writes its list last. */
  async #gather(request: CollectRequest, directory: Directory, signal: AbortSignal): Promise<Counts> {
    const { owner, server, logs } = request;
    const secrets = this.#secrets();
    const clean = (text: string): string => secrets.text(text);
    const files = await directory.enterOrMake(COLLECTED_FILES, 0o700);
    const list = await files.using(async () => {
      const limits = { ...this.#limits, bytes: request.limitBytes, files: request.limitFiles };
      const names = new StoredNames(clean);
      const staging = new Staging({ files, limits, names, clean, signal, beforeStep: this.#beforeStep });
      if (request.configuration !== undefined)
        await staging.write(CONFIGURATION, [`${JSON.stringify(request.configuration, null, 2)}\n`]);
      await collectStages(join(this.#options.stateDir, 'runs', owner.job), owner.attempt, staging);
      if (server !== null && isAbsolute(server.address)) {
        await collectTree(server.address, logs, this.#limits, staging);
      } else if (server !== null) {
        await this.#gatherFrom(server, request, directory, staging);
      }
      const results = request.subunit === undefined ? null : storedPath(request.subunit, names);
      if (results !== null) await this.#addResultsPage(results, staging);
      await staging.sync();
      return staging.list(owner.job, owner.attempt, new Date(this.#now()).toISOString());
    });
    this.#beforeStep(COLLECTED_LIST);
    await writeAtomically(directory.path(COLLECTED_LIST), JSON.stringify(list), { mode: 0o600 });
    const bytes = list.files.reduce((sum, file) => sum + file.bytes, 0);
    return { files: list.files.length, bytes, skipped: list.skipped };
  }

  /** Adds a page of the tests in a subunit file that was collected. */
  async #addResultsPage(path: string, staging: Staging): Promise<void> {
    const file = await staging.open(path);
    if (file === null) return;
    try {
      const { size } = await file.stat();
      const report = await this.#options.readReport(readChunks(file, size, staging.options.signal));
      staging.failedTests = collectedTests(report);
      await staging.write(RESULTS_PAGE, resultsPage(report));
    } finally {
      await file.close();
    }
  }

  /** Collects from a remote server: through a copy of its tree, which is inspected like any local tree. */
  async #gatherFrom(
    server: Server,
    request: CollectRequest,
    directory: Directory,
    staging: Staging,
  ): Promise<void> {
    const { fetchTree } = this.#options;
    const { logs, limitBytes, limitFiles, timeoutMs } = request;
    if (fetchTree === undefined) {
      for (const path of logs) staging.skip(`${WORKTREE}/${path}`, 'its server is not on this host');
      return;
    }
    this.#beforeStep('copy the tree');
    const copy = await directory.enterOrMake(COPY, 0o700);
    await copy.using(async () => {
      await copy.enterOrMake('tree', 0o700).then((tree) => tree.close());
      const limits = { ...this.#limits, bytes: limitBytes, files: limitFiles };
      const wanted = { server, paths: logs, into: copy.path('.'), limits, timeoutMs };
      const skippedPaths = await fetchTree(wanted, staging.options.signal);
      for (const { path, why } of skippedPaths) staging.skip(`${WORKTREE}/${path}`, why);
      const skipped = new Set(skippedPaths.map(({ path }) => path));
      const remaining = logs.filter((path) => !skipped.has(path));
      await collectTree(copy.path('.'), remaining, this.#limits, staging);
    });
    await removeTree(directory, COPY);
  }

  async #directoriesIn(root: string): Promise<readonly string[]> {
    const directory = await ifExists(Directory.at(root));
    if (directory === null) return [];
    const { entries } = await directory.using(() => directory.entries(this.#limits.maxEntries));
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  }

  async #remove(root: string, names: readonly string[]): Promise<void> {
    const directory = await ifExists(Directory.at(root));
    if (directory === null) return;
    await directory.using(async () => {
      for (const name of names) {
        this.#beforeStep(`discard ${name}`);
        await removeTree(directory, name);
      }
    });
  }
}

/** The directory for the copy of a remote tree, beside the files. */
const COPY = 'copy';

/** The staging directory of a job until its collection is complete. No job id begins with a dot. */
function unfinished(job: string): string {
  return `.${job}`;
}
