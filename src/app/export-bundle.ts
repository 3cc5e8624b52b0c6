/**
 * Writes histories with what belongs to them into one file that may leave this host: rows, configuration, ends of logs.
 * Everything in it is searched for secrets, those that the configuration names and those that look like one.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import manifest from '../../package.json' with { type: 'json' };
import { Directory, errorCode } from '../adapters/evidence/files/dir-handle.ts';
import { candidateNames, parentSegments } from '../adapters/evidence/publish/path.ts';
import { secretsIn } from '../adapters/evidence/redact/found-secrets.ts';
import { SecretSet } from '../adapters/evidence/redact/redact.ts';
import { type BundledLog, bundleText } from '../adapters/history-archive/bundle.ts';
import { writeAtomically } from '../adapters/run/atomic-file.ts';
import type { Config } from '../config/config.ts';
import type { NumberedRow, StoreReader } from '../engine/ports/store.ts';
import { OperationError } from '../errors.ts';
import { publicationOf } from '../machines/job/publication.ts';
import type { JobView } from '../machines/protocol/projection.ts';
import { rewriteHistory } from '../machines/rewrite-history.ts';
import { isKnownMachine, versionOf } from '../machines/versions.ts';
import { sha256 } from './database-admin.ts';

export interface ExportRequest {
  readonly history: string;
  /** The target; must not exist. */
  readonly file: string;
  readonly configFile: string;
  readonly config: Pick<Config, 'redact'> & { readonly logs: Pick<Config['logs'], 'destination'> };
  readonly stateDir: string;
  /** Epoch ms. */
  readonly now: number;
}

export interface Exported {
  readonly histories: readonly string[];
  readonly rows: number;
  readonly logs: readonly Pick<BundledLog, 'job' | 'attempt' | 'stage'>[];
  /** The histories in which a secret was replaced. */
  readonly redacted: readonly string[];
  readonly bytes: number;
}

/** What is kept of a log. Twice as much is searched for secrets, because one may be named before the kept part. */
const LOG_BYTES = 128 * 1024;
const STAGES = ['stacking', 'testing'] as const;

/** @throws OperationError when a secret would remain */
export async function exportBundle(reader: StoreReader, request: ExportRequest): Promise<Exported> {
  const { history, file, configFile, config, stateDir, now } = request;
  const secrets = new SecretSet(config.redact);
  const hide = (text: string) => secrets.with(secretsIn(text)).text(text);
  const names = relatedTo(reader, history);
  const original = names.map((name) => reader.rows(name));
  const histories = original.map((rows) => withoutSecrets(rows, hide));
  const redacted = names.filter((_, index) => histories[index] !== original[index]);
  const jobs = names.flatMap((name) => reader.job(name) ?? []);
  const logs = (await Promise.all(jobs.map((job) => logsOf(job, request, stateDir, secrets)))).flat();
  const configuration = hide(readFileSync(configFile, 'utf8'));
  const text = bundleText({ version: manifest.version, at: now, histories, redacted, configuration, logs });
  if (secrets.text(text) !== text) throw refused(history, 'a secret is part of a name or an id in it');
  const bytes = await promisify(gzip)(text);
  await writeAtomically(file, bytes);
  return {
    histories: names,
    rows: histories.flat().length,
    logs: logs.map(({ job, attempt, stage }) => ({ job, attempt, stage })),
    redacted,
    bytes: bytes.length,
  };
}

/** The history, its review and jobs, and the publications of the jobs. */
function relatedTo(reader: StoreReader, history: string): readonly string[] {
  const stored = reader.stored(history);
  if (stored === null || !isKnownMachine(stored.machine)) return [history];
  const version = versionOf(stored);
  const review = version.reviewOf(stored);
  const jobs = review === history ? (version.summarizeReview(stored)?.jobs ?? []) : [];
  const all = [history, ...(review === null ? [] : [review]), ...jobs];
  const publications = [history, ...jobs].map(publicationOf);
  return [...new Set([...all, ...publications])].filter((name) => reader.stored(name) !== null);
}

function withoutSecrets(
  rows: readonly NumberedRow[],
  hide: (text: string) => string,
): readonly NumberedRow[] {
  try {
    return rewriteHistory(rows, hide, sha256);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw refused(rows[0]?.history ?? '', `its rows contain a secret and cannot be redacted: ${why}`);
  }
}

function refused(history: string, message: string): OperationError {
  return new OperationError({
    operation: 'export',
    target: history,
    message,
    retryable: false,
    hint: 'change the secret, and remove the old one from `redact` once nothing accepts it any more',
  });
}

/** The run's own logs while they are kept, then the published ones if they are on this host. */
async function logsOf(
  job: JobView,
  { config }: Pick<ExportRequest, 'config'>,
  stateDir: string,
  secrets: SecretSet,
): Promise<readonly BundledLog[]> {
  const { destination } = config.logs;
  const segments = parentSegments({ ...job, patchset: job });
  const published =
    destination.type === 'directory'
      ? candidateNames(job.id).map((name) => join(destination.dir, ...segments, name))
      : [];
  const logs: BundledLog[] = [];
  for (let attempt = 1; attempt <= job.attempt; attempt++) {
    for (const stage of STAGES) {
      const runs = join(stateDir, 'runs', job.id);
      const places = [
        { root: runs, inside: [String(attempt), stage], name: 'log' },
        ...published.map((root) => ({ root, inside: [`attempt-${attempt}`], name: `${stage}.log` })),
      ];
      for (const place of places) {
        const end = await endOf(place, secrets);
        if (end === null) continue;
        logs.push({ job: job.id, attempt, stage, ...end });
        break;
      }
    }
  }
  return logs;
}

/** The end of a file, redacted. Follows no link. Null: there is none. */
async function endOf(
  {
    root,
    inside,
    name,
  }: { readonly root: string; readonly inside: readonly string[]; readonly name: string },
  secrets: SecretSet,
): Promise<Pick<BundledLog, 'text' | 'isWhole'> | null> {
  try {
    let directory = await Directory.at(root);
    for (const part of inside) directory = await directory.using((parent) => parent.enter(part));
    return await directory.using(async () => {
      const log = await directory.openFile(name);
      try {
        const stat = await log.stat();
        if (!stat.isFile()) return null;
        const from = Math.max(0, stat.size - 2 * LOG_BYTES);
        const { buffer, bytesRead } = await log.read(Buffer.alloc(2 * LOG_BYTES), 0, 2 * LOG_BYTES, from);
        const read = buffer.toString('utf8', 0, bytesRead);
        // A part of a secret would not be recognized, so an incomplete line is dropped.
        const text = from === 0 ? read : afterLineEnd(read, 0);
        const safe = secrets.with(secretsIn(text)).text(text);
        const isWhole = from === 0 && safe.length <= LOG_BYTES;
        return { text: isWhole ? safe : afterLineEnd(safe, Math.max(0, safe.length - LOG_BYTES)), isWhole };
      } finally {
        await log.close();
      }
    });
  } catch (error) {
    if (errorCode(error) === '') throw error;
    return null;
  }
}

/** What follows the first line end at or after the position. */
function afterLineEnd(text: string, from: number): string {
  const end = text.indexOf('\n', from);
  return end === -1 ? '' : text.slice(end + 1);
}
