/**
 * The text below the job lines: the reason of each verdict, in one line for all jobs that share it, and the tested
 * commit. It says whether a developer has to check the patch or to wait for this CI.
 */
import { assertNever, type JobReport, type MergedTree } from '../model/domain.ts';
import { clipped } from './byte-length.ts';
import { harmless, harmlessLine, harmlessName } from './sanitize.ts';

/** Maximum number of named jobs that share a reason. */
const NAMES_SHOWN = 3;
/** Maximum characters of a reason, and of a stage's last line. */
const REASON_LIMIT = 300;
const QUOTE_LIMIT = 200;

export function explanations(reports: readonly JobReport[]): readonly string[] {
  const names = new Map<string, string[]>();
  for (const report of reports) {
    const text = explanation(report);
    if (text === '') continue;
    names.set(text, [...(names.get(text) ?? []), harmlessName(report.name)]);
  }
  return Array.from(names, ([text, jobs]) => harmlessLine(`${namesText(jobs)}: ${text}`));
}

/** `Tested as SHA: merged onto BRANCH at BASE.` Names the projects if there are several. */
export function testedText(trees: readonly MergedTree[]): readonly string[] {
  return trees.map(({ project, branch, base, revision }, index) => {
    const which = index === 0 ? 'Tested as' : `With ${harmless(project)} as`;
    return harmlessLine(
      `${which} ${harmless(revision)}: merged onto ${harmless(branch)} at ${harmless(base)}.`,
    );
  });
}

function explanation(report: JobReport): string {
  const reason = clipped(harmless(report.reason), REASON_LIMIT);
  const logs = logsText(report);
  switch (report.verdict) {
    case 'SUCCESS':
      return report.evidence === 'pending' ? logs : '';
    case 'SKIPPED':
      return '';
    case 'FAILURE':
      return sentences(reason, report.results === null ? quote(report) : '', logs);
    case 'TIMED_OUT':
      return sentences(reason, quote(report), logs);
    case 'NODE_FAILURE':
      return sentences(
        `${report.verdict}, a problem with this CI, not a result of the patch`,
        reason,
        quote(report),
        logs,
      );
    case 'RETRY_LIMIT':
      // Setup runs the patch's own code, so the patch may be the cause.
      return sentences(
        `${report.verdict}, could not be set up; this may or may not be caused by the patch`,
        reason,
        quote(report),
        logs,
      );
    case 'POST_FAILURE':
      return sentences('the tests ended, but no result can be shown', reason, quote(report), logs);
    case 'MERGER_FAILURE':
      return `Nothing was tested: ${reason}.`;
    case 'ABORTED':
      return sentences('not finished', reason, logs);
    default:
      return assertNever(report.verdict);
  }
}

function logsText({ evidence }: JobReport): string {
  switch (evidence) {
    case 'published':
      return '';
    case 'pending':
      return 'Its logs could not be published yet; they will be at the address above.';
    case 'none':
      return 'There are no logs.';
    default:
      return assertNever(evidence);
  }
}

function quote({ lastLine }: JobReport): string {
  const line = harmless(lastLine ?? '');
  return line === '' ? '' : `Its last output: ${clipped(line, QUOTE_LIMIT)}`;
}

function sentences(...parts: readonly string[]): string {
  const present = parts.filter((part) => part !== '');
  return present
    .map((part, index) => (index < present.length - 1 ? part.replace(/[.:]?$/, '.') : part))
    .join(' ');
}

function namesText(names: readonly string[]): string {
  const rest = names.length - NAMES_SHOWN;
  return rest > 0 ? `${names.slice(0, NAMES_SHOWN).join(', ')} and ${rest} more` : names.join(', ');
}
