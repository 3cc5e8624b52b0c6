/**
 * The comment's template: a text file that the configuration names. Reads and checks it, so that the configuration check
 * reports an error before it makes a comment unreadable.
 */

import { tryTemplate } from '../../machines/comment/check-template.ts';
import { REQUIRED } from '../../machines/comment/template.ts';
import type { ConfigFile } from '../schema.ts';
import { LIMITS } from '../sections/report.ts';
import type { Problem } from './config-error.ts';
import { readText, type YamlDocument } from './yaml-document.ts';

const PATH = ['report', 'template'];

export interface ReadTemplate {
  /** Null: none is configured, or it is invalid. */
  readonly text: string | null;
  readonly problems: readonly Problem[];
}

export function readTemplate(
  document: YamlDocument,
  report: ConfigFile['report'],
  path: (path: string) => string,
): ReadTemplate {
  if (report.template === null) return { text: null, problems: [] };
  const file = path(report.template);
  const read = readText(file);
  const problem = (what: string, next: string): Problem => {
    return { ...document.position(PATH), path: PATH.join('.'), what: `${file}${what}`, next };
  };
  if ('problem' in read)
    return { text: null, problems: [problem(` ${read.problem.what}`, 'name a text file')] };
  const { helpUrl: wiki, pipeline } = report;
  const { messageLimitBytes } = LIMITS;
  const faults = tryTemplate(read.text, { helpUrl: wiki, pipeline, messageLimitBytes });
  const next = `docs/configuration.md lists the placeholders; ${REQUIRED.map((name) => `{${name}}`).join(', ')} are required`;
  return {
    text: read.text,
    problems: faults.map(({ line, what }) => problem(`${line === 0 ? '' : `:${line}`}: ${what}`, next)),
  };
}
