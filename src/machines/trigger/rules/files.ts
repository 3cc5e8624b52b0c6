/**
 * Whether a job applies to the files of a patchset. The review checks it and not the trigger, because the files must be
 * queried from Gerrit. When in doubt, the job runs: an unneeded test costs time, a missing one costs a bug.
 */
import { finds } from './regex.ts';

/**
 * The files for which a job runs: the patchset must touch at least one file that is included and not excluded. Regular
 * expressions that match anywhere in a path; `exclude` also accepts the keyword `docs`.
 */
export interface FileRules {
  /** Empty: every file. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** A job in its review's first event. */
export interface ReviewJob {
  readonly job: string;
  readonly name: string;
  readonly voting: boolean;
  readonly files: FileRules;
}

export interface FilesFinding {
  readonly runs: boolean;
  /** One line. */
  readonly why: string;
}

/** The patterns for `docs` in `exclude`: texts that no test of the code reads. */
export const DOCS: readonly string[] = [
  '^(docs?|api-ref|releasenotes)/',
  '\\.(rst|md|adoc)$',
  '(^|/)(LICENSE|COPYING|NOTICE|AUTHORS|CONTRIBUTORS)$',
];

export const ALL_FILES: FileRules = { include: [], exclude: [] };

/** @param files paths without Gerrit's magic ones; null: too many to request */
export function judgeFiles(files: readonly string[] | null, rules: FileRules): FilesFinding {
  const { include, exclude } = rules;
  if (include.length === 0 && exclude.length === 0) return { runs: true, why: 'it runs for every file' };
  if (files === null) return { runs: true, why: 'the patchset touches more files than sos-ci reads' };
  if (files.length === 0) return { runs: true, why: 'the patchset touches no file' };
  const included = files.filter((file) => include.length === 0 || include.some((rule) => finds(rule, file)));
  if (included.length === 0) return { runs: false, why: 'the patchset changes none of its files' };
  const unwanted = exclude.flatMap((rule) => (rule === 'docs' ? DOCS : [rule]));
  const wanted = included.find((file) => !unwanted.some((rule) => finds(rule, file)));
  if (wanted !== undefined) return { runs: true, why: `${wanted} is touched` };
  return {
    runs: false,
    why: exclude.every((rule) => rule === 'docs')
      ? 'only documentation is touched'
      : 'the patchset changes only excluded files',
  };
}
