/**
 * Parses a comment like the programs that collect CI results, and reports each difference from its intended content.
 * Used to check templates, and in tests.
 */

import { readCireporter } from './parsers/cireporter.ts';
import { readCiwatch } from './parsers/ciwatch.ts';
import { readPageScript } from './parsers/hideci.ts';
import type { GerritMessage, Reader, Reading, ShownJob } from './parsers/parsed-comment.ts';
import { readResultsTab } from './parsers/zuul-results-tab.ts';
import { type Meaning, unsafeText } from './safe-text.ts';

type Field = 'status' | 'pipeline';

interface Expectation {
  readonly reader: string;
  readonly read: Reader;
  readonly fields: readonly Field[];
  /** Whether the parser shows such a job. */
  readonly shows: (job: ShownJob) => boolean;
}

const EXPECTATIONS: readonly Expectation[] = [
  { reader: "Gerrit's results tab", read: readResultsTab, fields: ['status', 'pipeline'], shows: isLinked },
  { reader: 'the page script', read: readPageScript, fields: ['pipeline'], shows: isLinked },
  {
    reader: 'ciwatch',
    read: readCiwatch,
    fields: ['pipeline'],
    shows: (job) => isLinked(job) && isTest(job),
  },
  { reader: 'cireporter', read: readCireporter, fields: [], shows: () => true },
];

/** The text as Gerrit stores it, under an account whose name follows OpenDev's rules. */
export function asPosted(text: string): GerritMessage {
  return { author: 'Example CI', text: `Patch Set 1:\n\n${text}` };
}

/** One line for each problem; empty: the comment is safe, and every parser shows the intended content. */
export function misreadings(text: string, meaning: Meaning): readonly string[] {
  return [
    ...unsafeText(text, meaning),
    ...EXPECTATIONS.flatMap((expectation) => misread(text, meaning, expectation)),
  ];
}

/** True when a parser would read the text as a result. */
export function looksLikeResult(text: string): boolean {
  const message = asPosted(text);
  const readings = EXPECTATIONS.map(({ read }) => read(message));
  return readResultsTab(message) !== null || readings.some((reading) => (reading?.jobs.length ?? 0) > 0);
}

function misread(text: string, meaning: Meaning, { reader, read, fields, shows }: Expectation): string[] {
  const meant = meaning.jobs.filter(shows);
  const reading: Reading | null = read(asPosted(text));
  // The page script ignores comments without results.
  if (reading === null)
    return meant.length === 0 && reader !== 'cireporter'
      ? []
      : [`${reader} does not recognize it as a result`];
  const wrong = fields
    .filter((field) => reading[field] !== meaning[field])
    .map((field) => `${reader} reads the ${field} ${reading[field]} for ${meaning[field]}`);
  const [shown, wanted] = [reading.jobs.map(jobText), meant.map(jobText)];
  const lost = wanted.filter((job) => !shown.includes(job)).map((job) => `${reader} does not show ${job}`);
  const added = shown.filter((job) => !wanted.includes(job)).map((job) => `${reader} shows ${job}`);
  const twice = shown.length > wanted.length && added.length === 0 ? [`${reader} shows a job twice`] : [];
  return [...wrong, ...lost, ...added, ...twice];
}

function isLinked({ link }: ShownJob): boolean {
  return /^https?:/.test(link);
}

/** ciwatch knows only these verdicts. */
function isTest({ verdict }: ShownJob): boolean {
  return verdict === 'SUCCESS' || verdict === 'FAILURE';
}

function jobText({ name, verdict, link }: ShownJob): string {
  return `${name} ${verdict} ${link}`;
}
