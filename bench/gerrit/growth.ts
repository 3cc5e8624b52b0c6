/** Measures memory growth: what the idle daemon holds after many jobs in a row. */
import { appendFileSync, readFileSync } from 'node:fs';
import type { Bench, Row } from './main.ts';
import { BenchSetup } from './setup.ts';

/** One account pushes all changes, faster than the default rate limits allow. */
const UNLIMITED = 'triggers: {rateLimits: {author: 1000000, project: 1000000, total: 1000000}}\n';
/** Samples between the first and the last job. */
const SAMPLES = 10;
/**
 * Node's option for a full garbage collection every two seconds, so that the figures are of memory in use.
 * https://chromedevtools.github.io/devtools-protocol/v8/HeapProfiler/#method-collectGarbage
 */
const COLLECT = `--import=data:text/javascript,${encodeURIComponent(`
  import { Session } from 'node:inspector';
  const session = new Session();
  session.connect();
  setInterval(() => session.post('HeapProfiler.collectGarbage'), 2_000).unref();
`)}`;
/** Time for the last connections to close, and for two collections. */
const IDLE_MS = 7_000;
/** Allowed growth in the second half of the jobs. */
const GROWTH_MIB = 3;

export const growth: Readonly<Record<string, Bench>> = { growth: idleMemory };

async function idleMemory(testbed: Parameters<Bench>[0], runs: number): Promise<readonly Row[]> {
  const setup = await BenchSetup.open(testbed);
  appendFileSync(setup.case.config, UNLIMITED);
  setup.case.nodeOptions = COLLECT;
  const daemon = await setup.case.startDaemon();
  const every = Math.max(1, Math.round(runs / SAMPLES));
  const samples: { readonly jobs: number; readonly mebibytes: number }[] = [];
  for (let jobs = 1; jobs <= runs; jobs += 1) {
    const change = await setup.case.checkout().push();
    await setup.reviewTime(change);
    if (jobs % every > 0) continue;
    await setup.untilIdle();
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const parts = proportionalMebibytes(daemon.pid);
    // Leaves out mapped files: their share depends on which other programs run Node at that moment.
    samples.push({ jobs, mebibytes: parts.heap + parts.arenas + parts.anonymous });
    console.error(
      `  after ${jobs} jobs: ${Object.entries(parts)
        .map(([part, size]) => `${part} ${size.toFixed(1)}`)
        .join(', ')} MiB`,
    );
  }
  await daemon.stop();
  const half = samples[Math.floor(samples.length / 2)] ?? samples[0];
  const last = samples.at(-1);
  const gained = (last?.mebibytes ?? 0) - (half?.mebibytes ?? 0);
  return [
    {
      what: 'memory (PSS without files) of the idle daemon after many jobs in a row',
      measured: samples.map(({ jobs, mebibytes }) => `${mebibytes.toFixed(0)} MiB after ${jobs}`).join(', '),
      goal: `at most ${GROWTH_MIB} MiB more in the second half`,
      met: gained <= GROWTH_MIB,
    },
  ];
}

/** An arena of glibc's allocator: each thread that allocates may get its own. */
const ARENA_BYTES = 64 * 2 ** 20;

interface Mapping {
  readonly from: number;
  readonly to: number;
  readonly permissions: string;
  readonly file: boolean;
  readonly heap: boolean;
  readonly kilobytes: number;
}

/** PSS in MiB by kind of mapping: the allocator's heap and arenas, V8 and other anonymous memory, files. */
function proportionalMebibytes(
  pid: number,
): Readonly<Record<'all' | 'heap' | 'arenas' | 'anonymous' | 'files', number>> {
  const sizes = { all: 0, heap: 0, arenas: 0, anonymous: 0, files: 0 };
  const mappings = readFileSync(`/proc/${pid}/smaps`, 'utf8')
    .split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
    .map(mappingOf);
  for (const [index, { from, to, file, heap, kilobytes }] of mappings.entries()) {
    const next = mappings[index + 1];
    const isArena =
      from % ARENA_BYTES === 0 &&
      (to - from === ARENA_BYTES || (next?.permissions.startsWith('---') && next.to - from === ARENA_BYTES));
    const part = heap ? 'heap' : file ? 'files' : isArena ? 'arenas' : 'anonymous';
    sizes[part] += kilobytes / 1024;
    sizes.all += kilobytes / 1024;
  }
  return sizes;
}

function mappingOf(text: string): Mapping {
  const [, from = '0', to = '0', permissions = '', inode = '0', name = ''] =
    /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+) *(.*)$/m.exec(text) ?? [];
  return {
    from: Number.parseInt(from, 16),
    to: Number.parseInt(to, 16),
    permissions,
    file: inode !== '0',
    heap: name === '[heap]',
    kilobytes: Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0),
  };
}
