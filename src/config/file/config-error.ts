/** The errors of a configuration file: each with its location and the next step, all in one ConfigError. */

export interface Problem {
  /** 1-based; 0 when the file could not be read at all. */
  readonly line: number;
  readonly column: number;
  /** Dotted: `jobs.acme.testing.command`; '' for the whole file. */
  readonly path: string;
  readonly what: string;
  /** The next step. */
  readonly next: string;
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The file as the user named it. */
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[]) {
    const ordered = [...problems].sort((a, b) => a.line - b.line || a.column - b.column);
    super(ordered.map((problem) => problemLine(file, problem)).join('\n'));
    this.file = file;
    this.problems = ordered;
  }
}

/** `file:line:col: path: what; next` */
function problemLine(file: string, problem: Problem): string {
  const position = problem.line === 0 ? file : `${file}:${problem.line}:${problem.column}`;
  const path = problem.path === '' ? '' : `${problem.path}: `;
  const next = problem.next === '' ? '' : `; ${problem.next}`;
  return `${position}: ${path}${problem.what}${next}`;
}

/** The known key or value that was most likely meant, or null when none is close. */
export function nearest(word: string, known: readonly string[]): string | null {
  const bare = fold(word);
  let best: string | null = null;
  let bestDistance = 1 + Math.max(1, Math.floor(bare.length / 3));
  for (const candidate of known) {
    const distance = editDistance(bare, fold(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  if (best !== null) return best;
  return known.find((candidate) => candidate.length > 2 && startsEither(bare, fold(candidate))) ?? null;
}

function fold(word: string): string {
  return word.slice(0, 64).toLowerCase().replaceAll(/[-_ ]/g, '');
}

function startsEither(a: string, b: string): boolean {
  return a.length > 2 && (a.startsWith(b) || b.startsWith(a));
}

/** Counts insertions, deletions, substitutions and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let twoBack: number[] = [];
  let back = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((back[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (back[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (twoBack[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    twoBack = back;
    back = row;
  }
  return back[b.length] ?? 0;
}
