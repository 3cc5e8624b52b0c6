/** `sos-ci stats --stack-time`: how long stacking took, by job, provider and kind of cache. */
import type { StackTime, StoreReader } from '../../engine/ports/store.ts';
import { EXIT } from '../output/exit-codes.ts';
import { type Column, printTable } from '../output/table.ts';
import { type Io, printJson } from '../output/terminal.ts';
import { iso } from '../output/time.ts';

export interface StatsOptions {
  readonly job?: string;
  readonly provider?: string;
  /** Epoch ms. */
  readonly since?: number;
  readonly json?: boolean;
}

const CACHES = ['none', 'squid', 'preseed', 'squid+preseed'] as const;
type Cache = (typeof CACHES)[number];

const TITLES: Readonly<Record<Cache, string>> = {
  none: 'stack-time',
  squid: 'stack-time with squid',
  preseed: 'stack-time with preseed',
  'squid+preseed': 'stack-time with squid and preseed',
};

interface Line {
  readonly job: string;
  readonly provider: string;
  readonly cache: Cache;
  readonly runs: number;
  /** Null: no runs. */
  readonly medianMs: number | null;
  readonly p90Ms: number | null;
}

export function statsCommand(io: Io, reader: StoreReader, options: StatsOptions): number {
  const { job, provider, since } = options;
  const times = reader
    .stackTimes(since ?? 0)
    .filter((one) => job === undefined || one.job === job)
    .filter((one) => provider === undefined || one.provider === provider);
  const lines = linesOf(times);
  const at = since === undefined ? null : iso(since);
  if (options.json) printJson(io, { since: at, stackTimes: lines }, 'stackTimes');
  else if (lines.length === 0) io.out('nothing was stacked\n');
  else printLines(io, lines);
  return EXIT.ok;
}

function printLines(io: Io, lines: readonly Line[]): void {
  const columns: readonly Column<Line>[] = [
    { title: 'JOB', text: ({ job }) => job },
    { title: 'PROVIDER', text: ({ provider }) => provider },
    { title: 'STACKING', text: ({ cache }) => TITLES[cache] },
    { title: 'MEDIAN', text: ({ medianMs }) => minutes(medianMs), right: true },
    { title: '90%', text: ({ p90Ms }) => minutes(p90Ms), right: true },
    { title: 'RUNS', text: ({ runs }) => (runs === 0 ? '' : String(runs)), right: true },
  ];
  printTable(io, columns, lines);
}

/** For each job and provider every kind, also without runs; both caches together only if that ran. */
function linesOf(times: readonly StackTime[]): readonly Line[] {
  const pairs = new Map(
    times.map(({ job, provider }) => [JSON.stringify([job, provider]), { job, provider }]),
  );
  const sorted = [...pairs].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.flatMap(([, { job, provider }]) => {
    const group = times.filter((one) => one.job === job && one.provider === provider);
    return CACHES.flatMap((cache) => {
      const ms = group.filter((one) => cacheOf(one) === cache).map((one) => one.ms);
      const line = {
        job,
        provider,
        cache,
        runs: ms.length,
        medianMs: quantile(ms, 0.5),
        p90Ms: quantile(ms, 0.9),
      };
      return cache === 'squid+preseed' && ms.length === 0 ? [] : [line];
    });
  });
}

function cacheOf({ proxy, preseed }: StackTime): Cache {
  if (proxy) return preseed ? 'squid+preseed' : 'squid';
  return preseed ? 'preseed' : 'none';
}

/** Between two values, in proportion. Null for none. */
function quantile(values: readonly number[], share: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(position)], sorted[Math.ceil(position)]];
  if (low === undefined || high === undefined) return null;
  return Math.round(low + (high - low) * (position - Math.floor(position)));
}

/** `20:41`; more than an hour in minutes too: `75:03`. */
function minutes(ms: number | null): string {
  if (ms === null) return '';
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}
