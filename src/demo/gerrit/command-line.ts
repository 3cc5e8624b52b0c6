/**
 * Parses a command line like Gerrit: splits arguments by blanks, quotes and backslashes, then parses options. Uses no shell.
 * Drops empty quoted arguments, as Gerrit does.
 */

/** The arguments of one SSH command. */
export function splitArguments(line: string): string[] {
  const args: string[] = [];
  let arg = '';
  let quote: '' | '"' | "'" = '';
  for (let i = 0; i < line.length; i += 1) {
    const c = line.charAt(i);
    if (quote === '' && (c === ' ' || c === '\t')) {
      if (arg !== '') args.push(arg);
      arg = '';
    } else if (quote === '' && (c === '"' || c === "'")) quote = c;
    else if (c === quote) quote = '';
    else if (c === '\\' && quote !== "'" && i + 1 < line.length) {
      i += 1;
      arg += line.charAt(i);
    } else arg += c;
  }
  if (arg !== '') args.push(arg);
  return args;
}

/** A command line that Gerrit would refuse; the message is what it prints. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** An option's name and aliases, and whether it takes a value. */
export interface OptionSpec {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly takesValue: boolean;
}

export interface ParsedLine {
  /** Values by name; options without a value have ['true']. */
  readonly options: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
}

/** Sorts arguments into options and operands; `--name value`, `--name=value`, and `--` before operands. */
export function parseOptions(args: readonly string[], specs: readonly OptionSpec[]): ParsedLine {
  const options = new Map<string, string[]>();
  const operands: string[] = [];
  for (let i = 0; i < args.length; i += 1) {
    const arg = args[i] ?? '';
    if (arg === '--') {
      operands.push(...args.slice(i + 1));
      break;
    }
    if (!arg.startsWith('-') || arg === '-') {
      operands.push(arg);
      continue;
    }
    const equals = arg.startsWith('--') ? arg.indexOf('=') : -1;
    const name = equals < 0 ? arg : arg.slice(0, equals);
    const spec = specs.find((s) => s.name === name || s.aliases?.includes(name));
    if (spec === undefined) throw new UsageError(`"${arg}" is not a valid option`);
    let value = 'true';
    if (spec.takesValue && equals >= 0) value = arg.slice(equals + 1);
    else if (spec.takesValue) {
      i += 1;
      const next = args[i];
      if (next === undefined) throw new UsageError(`Option "${name}" takes an operand`);
      value = next;
    }
    options.set(spec.name, [...(options.get(spec.name) ?? []), value]);
  }
  return { options, operands };
}
