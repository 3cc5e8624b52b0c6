/**
 * Whether a job has anything to do with what a patchset touches. It is asked when Gerrit has told the files, so by the review
 * and not by the trigger. In doubt the job runs: a test too many costs time, one too few costs a bug.
 */
import { finds } from './regex.ts';

/**
 * For which files a job runs: at least one that the patchset touches is included and not excluded. Regular expressions that are
 * looked for anywhere in a path; in `exclude` also the word `docs`.
 */
export interface FileRules {
  /** Empty: every file. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** A job as its review knows it from the beginning. */
export interface ReviewJob {
  readonly job: string;
  readonly name: string;
  readonly voting: boolean;
  readonly files: FileRules;
}

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
