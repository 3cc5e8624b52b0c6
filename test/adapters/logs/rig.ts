/**
 * A host with a log server in a temporary directory. Creates a job's files as the runner and the provider do, and reads
 * published files from the disk.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { LocalEvidence, type LocalEvidenceOptions } from '../../../src/adapters/evidence/local-evidence.ts';
import { DirectoryPublisher } from '../../../src/adapters/evidence/publish/directory-publisher.ts';
import type { Manifest } from '../../../src/adapters/evidence/publish/manifest.ts';
import { reportSubunit } from '../../../src/adapters/results/subunit/report.ts';
import type { Publisher } from '../../../src/engine/ports/publisher.ts';
import type { Server } from '../../../src/machines/model/domain.ts';
import type { EvidenceRig } from '../../contracts/evidence.ts';
import { EVIDENCE_LIMITS } from '../../fixtures/bounds.ts';

/** Files below the root of a site. Paths are relative. */
export interface SiteFiles {
  /** The names in a directory, sorted, without its page. */
  names(directory: string): Promise<readonly string[]>;
  /** Null: there is no such file. */
  read(path: string): Promise<string | null>;
  /** Another value after each write. */
  version(path: string): Promise<unknown>;
  /** As another program does. */
  write(path: string, text: string): Promise<void>;
  /** Removes a file or a directory. */
  remove(path: string): Promise<void>;
}

export interface LocalRig extends EvidenceRig {
  readonly base: string;
  readonly stateDir: string;
  /** The work tree of the server. */
  readonly tree: string;
  /** The root of the published files: a directory, or a name for a destination of another kind. */
  readonly site: string;
  /** Its address, without a slash at the end. */
  readonly siteUrl: string;
  /** The published files, as they are. */
  readonly files: SiteFiles;
  start(
    options?: Partial<Omit<LocalEvidenceOptions, 'redact'>> & { readonly redact?: readonly string[] },
  ): LocalEvidence;
  manifest(url: string): Promise<Manifest>;
  page(url: string): Promise<string>;
}

/**
 * @param site the root of the published files; by default a new one
 * @param publisherOf sends files there; by default over the file system
 */
export async function makeRig(
  site?: string,
  publisherOf: (site: string) => Publisher | Promise<Publisher> = (root) => new DirectoryPublisher(root),
): Promise<LocalRig> {
  const base = await mkdtemp(join(tmpdir(), 'sos-ci-logs-'));
  const stateDir = join(base, 'state');
  const server: Server = {
    id: 's1',
    name: 's1',
    address: join(stateDir, 'servers', 's1'),
    provider: 'local',
  };
  const tree = join(server.address, 'tree');
  const root = site ?? join(base, 'logs');
  const publisher = await publisherOf(root);
  await mkdir(tree, { recursive: true });
  return {
    base,
    stateDir,
    tree,
    site: root,
    siteUrl: pathToFileURL(root).href,
    files: diskFiles(root),
    server,
    start: ({ redact = [], ...options } = {}) =>
      new LocalEvidence({
        stateDir,
        publisher,
        url: pathToFileURL(root).href,
        redact: { values: redact },
        limits: EVIDENCE_LIMITS,
        readReport: reportSubunit,
        ...options,
      }),
    writeStageLog: (job, attempt, stage, text) =>
      writeAt(join(stateDir, 'runs', job, String(attempt), stage, 'log'), text),
    writeTreeFile: (_job, path, text) => writeAt(join(tree, path), text),
    read: (url, path) => readOrNull(join(fileURLToPath(url), path)),
    manifest: async (url) => JSON.parse(await readFile(join(fileURLToPath(url), 'manifest.json'), 'utf8')),
    page: (url) => readFile(join(fileURLToPath(url), 'index.html'), 'utf8'),
    close: () => rm(base, { recursive: true, force: true }),
  };
}

function diskFiles(root: string): SiteFiles {
  return {
    names: async (directory) =>
      (await readdir(join(root, directory))).filter((name) => name !== 'index.html').sort(),
    read: (path) => readOrNull(join(root, path)),
    version: async (path) => (await stat(join(root, path))).mtimeMs,
    write: (path, text) => writeAt(join(root, path), text),
    remove: (path) => rm(join(root, path), { recursive: true }),
  };
}

export async function writeAt(path: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

export async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    return null;
  }
}

/** Everything below a directory, names and contents, as one text. */
export async function everyByte(directory: string): Promise<string> {
  let text = '';
  for (const entry of await readdir(directory, { withFileTypes: true, recursive: true })) {
    text += `${entry.name}\n`;
    if (!entry.isFile()) continue;
    const bytes = await readFile(join(entry.parentPath, entry.name));
    text += entry.name.endsWith('.gz') ? gunzipSync(bytes).toString('latin1') : bytes.toString('latin1');
  }
  return text;
}

/** A named pipe, which Node cannot create. */
export function makePipe(path: string): void {
  execFileSync('/usr/bin/env', ['mkfifo', '--', path]);
}
