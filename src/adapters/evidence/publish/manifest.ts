/**
 * `manifest.json` of a published directory, with the checksum of every file. It is also our ownership mark: a directory
 * whose manifest names our job is ours, and it is complete when its state is `published`. The final manifest is written
 * last before the rename, so that a complete directory is distinguishable from the remains of a crash.
 */
import { createHash } from 'node:crypto';
import type { Environment } from '../../../machines/model/environment.ts';
import type { KeyedEffect } from '../../../machines/protocol/effects.ts';
import { type Collected, parseObject, type SkippedFile, type StageEntry } from '../collect/collected.ts';
import { type Directory, errorCode, ifExists } from '../files/dir-handle.ts';
import { readChunks } from '../files/new-file.ts';
import { evidencePath } from '../files/safe-names.ts';
import type { FoundSecrets } from '../redact/found-secrets.ts';
import type { FailedStage } from './failed-stage.ts';
import type { FailedTest } from './failed-tests.ts';

export const MANIFEST = 'manifest.json';
export const INDEX = 'index.html';
/** The manifest of 20,000 files is about 4 MB. */
export const MAX_MANIFEST_BYTES = 64 << 20;

export type PublishRequest = Extract<KeyedEffect, { type: 'publishEvidence' }>;

export interface PublishedFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly original?: string;
  readonly cutFrom?: number;
  readonly modifiedAt?: string;
}

export interface Manifest {
  readonly version: 1;
  readonly state: 'publishing' | 'published';
  readonly job: string;
  readonly deployment: string;
  readonly attempt: number;
  readonly name: string;
  readonly pipeline: string;
  readonly verdict: string;
  readonly reason: string;
  readonly patchset: Pick<
    PublishRequest['patchset'],
    'project' | 'branch' | 'change' | 'patchset' | 'revision' | 'subject' | 'url'
  >;
  /** The test results, with the names of the first failed tests. */
  readonly results: PublishRequest['results'];
  readonly trees: PublishRequest['trees'];
  readonly dependencies: PublishRequest['dependencies'];
  readonly siblings: PublishRequest['siblings'];
  /** Null: the job never had a server. */
  readonly environment: PublishRequest['environment'];
  /** The version of sos-ci that published it; null: unknown. */
  readonly publishedBy: string | null;
  /** The first failed tests. */
  readonly failedTests: readonly FailedTest[];
  /** Null for a success. */
  readonly failedStage: FailedStage | null;
  /** ISO 8601, UTC. */
  readonly collectedAt: string | null;
  readonly publishedAt: string;
  readonly stages: readonly StageEntry[];
  readonly files: readonly PublishedFile[];
  /** The pages that show the files: of logs, of directories, and the index page. */
  readonly pages: readonly PublishedFile[];
  readonly skippedFiles: readonly SkippedFile[];
  /** Keys whose values were detected as secrets, by file. Their values are removed from all files. */
  readonly redacted: readonly { readonly path: string; readonly keys: readonly string[] }[];
  /** The number of skipped files; may exceed the listed ones. */
  readonly skipped: number;
}

/** The manifest of a publication. Without `collected`, it is the mark of a publication in progress. */
export function manifestOf(
  request: PublishRequest,
  published: {
    readonly at: string;
    readonly clean: (text: string) => string;
    readonly by?: string;
    readonly collected?: Collected;
    readonly files?: readonly PublishedFile[];
    readonly pages?: readonly PublishedFile[];
    readonly unpublishable?: readonly SkippedFile[];
    readonly failedTests?: readonly FailedTest[];
    readonly failedStage?: FailedStage | null;
    readonly found?: Pick<FoundSecrets, 'keys'>;
  },
): Manifest {
  const { clean, by = null, collected, files = [], pages = [], unpublishable = [], found } = published;
  const { failedTests = [], failedStage = null } = published;
  const { results, trees, dependencies, siblings, environment } = request;
  const { project, branch, change, patchset, revision, subject, url } = request.patchset;
  return {
    version: 1,
    state: collected === undefined ? 'publishing' : 'published',
    job: request.owner.job,
    deployment: request.owner.deployment,
    attempt: request.owner.attempt,
    name: request.name,
    pipeline: request.pipeline,
    verdict: request.verdict,
    reason: clean(request.reason),
    patchset: { project, branch, change, patchset, revision, subject: clean(subject), url: clean(url) },
    results: results === null ? null : { ...results, failures: results.failures.map(clean) },
    trees,
    dependencies,
    siblings,
    environment: environment === null ? null : cleaned(environment, clean),
    publishedBy: by,
    failedTests,
    failedStage,
    collectedAt: collected?.collectedAt ?? null,
    publishedAt: published.at,
    stages: collected?.stages ?? [],
    files,
    pages,
    skippedFiles: [...(collected?.skippedFiles ?? []), ...unpublishable],
    redacted: [...(found?.keys ?? [])].map(([path, keys]) => ({ path, keys: [...keys].map(clean).sort() })),
    skipped: (collected?.skipped ?? 0) + unpublishable.length,
  };
}

/** All other text in it is checked or ours. */
function cleaned({ server, facts, stages }: Environment, clean: (text: string) => string): Environment {
  return { server: { ...server, address: clean(server.address) }, facts, stages };
}

/** Reads the manifest, which identifies the owner and state of a directory; null when there is no valid manifest. */
export async function readManifest(directory: Directory): Promise<Manifest | null> {
  const file = await directory.openFile(MANIFEST).catch((error: unknown) => {
    if (['ENOENT', 'ELOOP', 'ENXIO'].includes(errorCode(error))) return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > MAX_MANIFEST_BYTES) return null;
    return parseManifest(await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

/** Null when the text is not a manifest. */
export function parseManifest(text: string): Manifest | null {
  const value = parseObject(text);
  const isOurs = value?.version === 1 && typeof value.job === 'string';
  const isValid = isOurs && Array.isArray(value.files) && Array.isArray(value.pages);
  return isValid ? (value as unknown as Manifest) : null;
}

/** True when every file and page in the manifest exists with its size and checksum. */
export async function verifyFiles(
  directory: Directory,
  manifest: Manifest,
  signal: AbortSignal,
): Promise<boolean> {
  for (const file of [...manifest.files, ...manifest.pages]) {
    const digest = await digestOf(directory, evidencePath(file.path), signal);
    if (digest?.sha256 !== file.sha256 || digest.bytes !== file.bytes) return false;
  }
  return true;
}

async function digestOf(
  directory: Directory,
  path: ReturnType<typeof evidencePath>,
  signal: AbortSignal,
): Promise<{ readonly sha256: string; readonly bytes: number } | null> {
  if ('why' in path) return null;
  const [name, ...rest] = path;
  if (name === undefined) return null;
  if (rest.length > 0) {
    const child = await openOrNull(directory.enter(name));
    return child === null ? null : child.using(() => digestOf(child, rest, signal));
  }
  const file = await openOrNull(directory.openFile(name));
  if (file === null) return null;
  try {
    const { size } = await file.stat();
    const hash = createHash('sha256');
    for await (const chunk of readChunks(file, size, signal)) hash.update(chunk);
    return { sha256: hash.digest('hex'), bytes: size };
  } finally {
    await file.close();
  }
}

async function openOrNull<T>(promise: Promise<T>): Promise<T | null> {
  try {
    return await ifExists(promise);
  } catch (error) {
    if (['ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO'].includes(errorCode(error))) return null;
    throw error;
  }
}
