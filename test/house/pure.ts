/** The modules that a test file of the pure project may import. */
import { isPure } from '../fixtures/pure.ts';
import { importsOf, type Source } from './source.ts';

/** Modules of Node that use processes, sockets, files or threads. */
const OUTSIDE =
  /^node:(child_process|cluster|dgram|dns|fs|http|http2|https|inspector|net|os|readline|repl|tls|tty|worker_threads)(\/|$)/;
/** Packages that use processes, sockets, files or threads. */
const PACKAGES = ['better-sqlite3', 'execa', 'nodemailer', 'pino', 'ssh2', 'typescript'];

/**
 * Test files of the pure project that use anything outside their process.
 * @param sources all files that test files import, by their paths
 */
export function pureViolations(file: Source, sources: ReadonlyMap<string, Source>): string[] {
  if (!isPure(file.path)) return [];
  const found = importsOf(file).filter(({ target }) => OUTSIDE.test(target));
  const reached = [...reachable(file, sources)].filter((target) => PACKAGES.includes(target));
  return [...found.map(({ target }) => target), ...reached].map(
    (target) => `${file.path} imports ${target}: name it *.outside.test.ts`,
  );
}

/** Everything that a file imports, directly or through others. */
function reachable(
  file: Source,
  sources: ReadonlyMap<string, Source>,
  seen = new Set<string>(),
): Set<string> {
  for (const { target, typeOnly } of importsOf(file)) {
    if (typeOnly || seen.has(target)) continue;
    seen.add(target);
    const next = sources.get(target);
    if (next !== undefined) reachable(next, sources, seen);
  }
  return seen;
}
