/**
 * The site's comment template: a text with placeholders in braces. Nothing in it is executed, and the value of a
 * placeholder is sanitized before it is inserted. The template is checked when the configuration is loaded.
 */

import { clipped } from './byte-length.ts';
import type { CommentFacts, CommentParts } from './comment.ts';
import { harmless, harmlessLine, harmlessUrl } from './sanitize.ts';

/** The placeholders and their descriptions, which are also their documentation. */
export const PLACEHOLDERS = {
  header: 'Build succeeded or failed, with the pipeline: the line that parsers look for',
  help: 'a sentence: how to rerun and whom to ask, with the address in report.helpUrl',
  jobs: 'one line for each job',
  details: 'what else counts for the vote, and the reason for each verdict',
  tested: 'the commits that were tested',
  run: 'the line that identifies the message of sos-ci',
  status: 'succeeded or failed',
  pipeline: "the pipeline's name",
  project: "the change's project",
  branch: "the change's branch",
  change: "the change's number",
  patchset: "the patchset's number",
  subject: 'the first line of the commit message',
  owner: 'who owns the change',
  topic: "the change's topic",
  wiki: 'the address in report.helpUrl alone',
} as const;
type Placeholder = keyof typeof PLACEHOLDERS;

/** Untrusted values. The combined line is sanitized too, because safe parts can form an unsafe line. */
const UNTRUSTED: readonly string[] = [
  'project',
  'branch',
  'subject',
  'owner',
  'topic',
] satisfies Placeholder[];
/** Maximum characters of an untrusted value. */
const VALUE_LIMIT = 200;

/** Parsers need the header and the jobs; a later daemon needs the run to recognize the message. */
export const REQUIRED: readonly Placeholder[] = ['header', 'jobs', 'run'];

interface Piece {
  readonly text: string;
  readonly placeholder: boolean;
}

export interface TemplateFault {
  /** Line of the template, from 1; 0 for the template as a whole. */
  readonly line: number;
  readonly what: string;
}

/** Faults of the template text. `tryTemplate` checks how parsers read it. */
export function templateFaults(template: string): readonly TemplateFault[] {
  const used = new Set<string>();
  const faults = template.split('\n').flatMap((line, index) => {
    const pieces = piecesOf(line);
    for (const { text, placeholder } of pieces) if (placeholder) used.add(text);
    const literal = pieces.map(({ text, placeholder }) => (placeholder ? '' : text)).join('');
    const unknown = pieces.filter(({ text, placeholder }) => placeholder && !isPlaceholder(text));
    const hasUnmatchedBrace = /[{}]/.test(line.replace(/\{\{|\}\}|\{[^{}]*\}/g, ''));
    return [
      ...unknown.map(({ text }) => ({ line: index + 1, what: `{${text}} is not a placeholder` })),
      ...(hasUnmatchedBrace
        ? [{ line: index + 1, what: 'unmatched brace: write {{ or }} for a literal one' }]
        : []),
      ...(harmlessLine(literal) === literal
        ? []
        : [{ line: index + 1, what: 'contains text that starts CIs' }]),
    ];
  });
  const missing = REQUIRED.filter((name) => !used.has(name));
  return [...faults, ...missing.map((name) => ({ line: 0, what: `{${name}} is missing` }))];
}

/** Drops a line whose placeholders are all empty, and reduces several empty lines to one. */
export function fillTemplate(template: string, parts: CommentParts, facts: CommentFacts): string {
  const values = valuesOf(parts, facts);
  const lines = template.split(/\r?\n/).flatMap((line) => {
    const pieces = piecesOf(line);
    const filled = pieces
      .map(({ text, placeholder }) => (placeholder && isPlaceholder(text) ? values[text] : text))
      .join('')
      .trimEnd();
    if (filled.trim() === '' && pieces.some(({ placeholder }) => placeholder)) return [];
    return [pieces.some(({ text }) => UNTRUSTED.includes(text)) ? harmlessLine(filled) : filled];
  });
  return lines
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
}

function piecesOf(line: string): readonly Piece[] {
  return Array.from(line.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]/g), ([whole, name]) =>
    name === undefined
      ? { text: whole === '{{' || whole === '}}' ? whole.charAt(0) : whole, placeholder: false }
      : { text: name, placeholder: true },
  );
}

function isPlaceholder(name: string): name is Placeholder {
  return Object.hasOwn(PLACEHOLDERS, name);
}

function valuesOf(parts: CommentParts, facts: CommentFacts): Readonly<Record<Placeholder, string>> {
  const { patchset, spec } = facts;
  return {
    header: parts.header,
    help: parts.help,
    jobs: parts.jobs.join('\n'),
    details: parts.details.join('\n'),
    tested: parts.tested.join('\n'),
    run: parts.mark,
    status: parts.meaning.status,
    pipeline: parts.meaning.pipeline,
    project: untrusted(patchset.project),
    branch: untrusted(patchset.branch),
    change: String(patchset.change),
    patchset: String(patchset.patchset),
    subject: untrusted(patchset.subject),
    owner: untrusted(patchset.owner),
    topic: untrusted(patchset.topic),
    wiki: harmlessUrl(spec.helpUrl),
  };
}

function untrusted(text: string): string {
  return clipped(harmless(text), VALUE_LIMIT);
}
