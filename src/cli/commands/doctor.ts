/** `sos-ci doctor`: checks everything that this configuration needs, and says how to fix each failure. Changes nothing. */

import { type Finding, type FindingVerdict, VERDICTS } from '../../app/doctor/finding.ts';
import { runChecks } from '../../app/doctor/run-checks.ts';
import type { Config } from '../../config/config.ts';
import { ConfigError } from '../../config/file/config-error.ts';
import { loadConfig } from '../../config/load.ts';
import { plainText } from '../../terminal-text.ts';
import { EXIT } from '../output/exit-codes.ts';
import { padEnd, wrap } from '../output/table.ts';
import { type Io, type Paint, paint, printJson } from '../output/terminal.ts';

export interface DoctorOptions {
  /** Print what is ok too. */
  readonly all?: boolean;
  readonly json?: boolean;
}

export type RunChecks = (config: Config) => Promise<readonly Finding[]>;

/** Exit code 0: no failure; 1: at least one; 3: the configuration has errors. */
export async function doctorCommand(
  io: Io,
  file: string,
  options: DoctorOptions,
  run: RunChecks = runChecks,
): Promise<number> {
  const { findings, exit } = await findingsFor(file, run);
  const counts = Object.fromEntries(
    VERDICTS.map((verdict) => [verdict, findings.filter((one) => one.verdict === verdict).length]),
  );
  if (options.json) {
    printJson(io, { file, healthy: exit === EXIT.ok, counts, findings }, 'findings');
    return exit;
  }
  const shown = options.all ? findings : findings.filter(({ verdict }) => verdict !== 'ok');
  const width = Math.max(...shown.map(({ check }) => check.length));
  for (const finding of shown) print(io, finding, width);
  const summary = VERDICTS.map((verdict) => `${counts[verdict]} ${LABELS[verdict]}`).join(', ');
  const rest = shown.length < findings.length ? '; --all prints what is ok too' : '';
  io.out(`${shown.length > 0 ? '\n' : ''}${summary}${rest}\n`);
  return exit;
}

async function findingsFor(
  file: string,
  run: RunChecks,
): Promise<{ readonly findings: readonly Finding[]; readonly exit: number }> {
  let config: Config;
  try {
    config = loadConfig(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const errors = error.problems.map(({ line, column, path, what, next }): Finding => {
      const target = line === 0 ? file : `${file}:${line}:${column}`;
      return { check: 'config', target, verdict: 'failure', found: `${path} ${what}`.trim(), fix: next };
    });
    const rest = 'nothing else is checked until the configuration is valid';
    const others = { check: 'others', target: file, verdict: 'unchecked', found: rest, fix: '' } as const;
    return { findings: [...errors, others], exit: EXIT.config };
  }
  const findings = await run(config);
  const failed = findings.some(({ verdict }) => verdict === 'failure');
  return { findings, exit: failed ? EXIT.negative : EXIT.ok };
}

const LABELS: Readonly<Record<FindingVerdict, string>> = {
  ok: 'ok',
  warning: 'warning',
  failure: 'FAILURE',
  unchecked: 'not checked',
};
const COLORS: Readonly<Record<FindingVerdict, Paint>> = {
  ok: 'green',
  warning: 'yellow',
  failure: 'red',
  unchecked: 'dim',
};
const LABEL_WIDTH = Math.max(...Object.values(LABELS).map((label) => label.length));

function print(io: Io, { check, target, verdict, found, fix }: Finding, width: number): void {
  const label = paint(io, COLORS[verdict], padEnd(LABELS[verdict], LABEL_WIDTH));
  const indent = LABEL_WIDTH + width + 4;
  const lines = wrap(plainText(`${target}: ${found}`), io.width - indent);
  io.out(`${label}  ${padEnd(check, width)}  ${lines.join(`\n${' '.repeat(indent)}`)}\n`);
  if (fix === '') return;
  const more = wrap(plainText(`fix: ${fix}`), io.width - indent);
  io.out(`${' '.repeat(indent)}${more.join(`\n${' '.repeat(indent)}`)}\n`);
}
