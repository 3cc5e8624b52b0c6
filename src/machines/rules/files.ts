/**
 * Whether a job has anything to do with what a patchset touches. It is asked when Gerrit has told the files, so by the review
 * and not by the trigger. In doubt the job runs: a test too many costs time, one too few costs a bug.
 */
import type { FileRules } from '../vocabulary.ts';
import { finds } from './pattern.ts';

export interface FilesFinding {
  readonly runs: boolean;
  /** In one line. */
  readonly why: string;
}

/** What `docs` in `exclude` stands for: texts that no test of the code reads. */
export const DOCS: readonly string[] = [
  '^(docs?|api-ref|releasenotes)/',
  '\\.(rst|md|adoc)$',
  '(^|/)(LICENSE|COPYING|NOTICE|AUTHORS|CONTRIBUTORS)$',
];

export const ALL_FILES: FileRules = { include: [], exclude: [] };

/** @param files paths without Gerrit's magic ones; null: too many to be asked for */
export function judgeFiles(files: readonly string[] | null, rules: FileRules): FilesFinding {
  const { include, exclude } = rules;
  if (include.length === 0 && exclude.length === 0) return { runs: true, why: 'it runs for every file' };
  if (files === null) return { runs: true, why: 'the patchset touches more files than are asked for' };
  if (files.length === 0) return { runs: true, why: 'the patchset touches no file' };
  const included = files.filter((file) => include.length === 0 || include.some((rule) => finds(rule, file)));
  if (included.length === 0) return { runs: false, why: 'no file that it is for is touched' };
  const unwanted = exclude.flatMap((rule) => (rule === 'docs' ? DOCS : [rule]));
  const wanted = included.find((file) => !unwanted.some((rule) => finds(rule, file)));
  if (wanted !== undefined) return { runs: true, why: `${wanted} is touched` };
  return {
    runs: false,
    why: exclude.every((rule) => rule === 'docs')
      ? 'only documentation is touched'
      : 'only files that it is not for are touched',
  };
}
