/** A store reader that returns the contents of the given arrays. */
import { topState } from '../../src/cli/output/state-spans.ts';
import type {
  AlarmView,
  ConfigRecord,
  DaemonView,
  DayCount,
  HealthRecord,
  JobQuery,
  JobView,
  LastServed,
  NumberedRow,
  OutboxEntry,
  ReviewView,
  StoreReader,
} from '../../src/engine/ports/store.ts';
import type { FailingTest, FlakyTest, SlowTest, TestRun } from '../../src/engine/ports/test-history.ts';
import type { HistorySnapshot } from '../../src/machines/protocol/row.ts';

export interface Contents {
  readonly health?: HealthRecord;
  readonly config?: ConfigRecord;
  readonly jobs: readonly JobView[];
  readonly reviews: readonly ReviewView[];
  readonly rows: readonly NumberedRow[];
  readonly owed: readonly OutboxEntry[];
  readonly turns: readonly LastServed[];
  readonly counts: readonly DayCount[];
  readonly stackTimes: ReturnType<StoreReader['stackTimes']>;
  readonly starts: ReturnType<StoreReader['starts']>;
  readonly waitingStarts: ReturnType<StoreReader['waitingStarts']>;
  readonly ignoredRequests: ReturnType<StoreReader['ignoredRequests']>;
  readonly alarms: readonly AlarmView[];
  readonly testRuns?: readonly TestRun[];
  readonly failingTests?: readonly FailingTest[];
  readonly flakyTests?: readonly FlakyTest[];
  readonly slowestTests?: readonly SlowTest[];
  readonly intake: Readonly<Record<string, number>>;
  readonly stored: Readonly<Record<string, HistorySnapshot>>;
  readonly daemon: DaemonView | null;
}

export function fakeReader(contents: Partial<Contents> = {}): StoreReader {
  const { jobs = [], reviews = [], rows = [], owed = [], counts = [], alarms = [] } = contents;
  return {
    jobs: (query) =>
      select(jobs, query)
        .filter((job) => matches(job, query))
        .slice(0, query.limit),
    job: (id) => jobs.find((job) => job.id === id) ?? null,
    jobIds: (prefix, limit) =>
      jobs
        .map((job) => job.id)
        .filter((id) => id.startsWith(prefix))
        .sort()
        .slice(0, limit),
    review: (id) => reviews.find((review) => review.id === id) ?? null,
    reviews: (query) => select(reviews, query).slice(0, query.limit),
    rows: (history) => rows.filter((row) => row.history === history),
    histories: () => new Set(rows.map((row) => row.history)),
    stored: (history) => contents.stored?.[history] ?? null,
    intakePosition: () => null,
    reportActivity: () => ({ ownAt: null, listenedMs: 0, others: 0 }),
    health: () => contents.health ?? null,
    config: () => contents.config ?? null,
    openHistories: (prefix) =>
      Object.values(contents.stored ?? {}).filter(
        ({ history, ended }) => !ended && history.startsWith(prefix),
      ),
    newestHistories: (prefix, limit) =>
      Object.values(contents.stored ?? {})
        .filter(({ history }) => history.startsWith(prefix))
        .sort((one, other) => (one.history < other.history ? 1 : -1))
        .slice(0, limit),
    outbox: (history) => owed.filter((item) => history === undefined || item.history === history),
    lastServed: () => contents.turns ?? [],
    counts: (sinceDay) => counts.filter((row) => row.day >= sinceDay),
    stackTimes: () => contents.stackTimes ?? [],
    starts: () => contents.starts ?? [],
    testRun: (job) => contents.testRuns?.find((run) => run.job === job) ?? null,
    failingTests: ({ limit }) => (contents.failingTests ?? []).slice(0, limit),
    flakyTests: ({ limit }) => (contents.flakyTests ?? []).slice(0, limit),
    slowestTests: ({ limit }) => (contents.slowestTests ?? []).slice(0, limit),
    startedBy: () => null,
    waitingStarts: () => contents.waitingStarts ?? [],
    ignoredRequests: () => contents.ignoredRequests ?? [],
    alarms: (limit) => alarms.slice(0, limit),
    lastAlarm: (kind, target) =>
      alarms.find((alarm) => alarm.kind === kind && alarm.target === target) ?? null,
    intake: () => contents.intake ?? {},
    daemon: () => contents.daemon ?? null,
    length: () => rows.length,
    rowsAfter: (after, limit) => rows.filter(({ seq }) => seq > after).slice(0, limit),
    commits: () => 1,
    log: () => rows,
    deployment: () => 'fake',
    schema: () => [],
    views: () => [],
    close: () => undefined,
  };
}

function select<T extends { readonly id: string; readonly ended: boolean; readonly change: number }>(
  all: readonly T[],
  query: Pick<JobQuery, 'open' | 'change'>,
): readonly T[] {
  return [...all]
    .sort((a, b) => (a.id < b.id ? 1 : -1))
    .filter((item) => query.open === undefined || item.ended !== query.open)
    .filter((item) => query.change === undefined || item.change === query.change);
}

function matches(job: JobView, query: JobQuery): boolean {
  const { project, branch, name, owner, state, verdicts, since, until } = query;
  const same = (wanted: string | undefined, actual: string) => wanted === undefined || wanted === actual;
  return (
    same(project, job.project) &&
    same(branch, job.branch) &&
    same(name, job.name) &&
    same(owner, job.owner) &&
    same(state, topState(job.state)) &&
    (verdicts === undefined || (job.verdict !== null && verdicts.includes(job.verdict))) &&
    (since === undefined || job.acceptedAt >= since) &&
    (until === undefined || job.acceptedAt < until)
  );
}
