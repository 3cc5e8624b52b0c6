/**
 * A command line as Gerrit reads it: words split by blanks, quotes and backslashes as in its own parser, then options.
 * No shell is ever asked. An empty quoted word disappears, as it does there.
 */

/** Words of one SSH command. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote: '' | '"' | "'" = '';
  for (let i = 0; i < line.length; i += 1) {
    const c = line.charAt(i);
    if (quote === '' && (c === ' ' || c === '\t')) {
      if (word !== '') words.push(word);
      word = '';
    } else if (quote === '' && (c === '"' || c === "'")) quote = c;
    else if (c === quote) quote = '';
    else if (c === '\\' && quote !== "'" && i + 1 < line.length) {
      i += 1;
      word += line.charAt(i);
    } else word += c;
  }
  if (word !== '') words.push(word);
  return words;
}

/** A command line that Gerrit would refuse; the message is what it prints. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** What an option is called, also in short, and whether a value follows it. */
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

/** Sorts words into options and operands; `--name value`, `--name=value`, and `--` before operands. */
export function parseOptions(words: readonly string[], specs: readonly OptionSpec[]): ParsedLine {
  const options = new Map<string, string[]>();
  const operands: string[] = [];
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? '';
    if (word === '--') {
      operands.push(...words.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      operands.push(word);
      continue;
    }
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    const spec = specs.find((s) => s.name === name || s.aliases?.includes(name));
    if (spec === undefined) throw new UsageError(`"${word}" is not a valid option`);
    let value = 'true';
    if (spec.takesValue && equals >= 0) value = word.slice(equals + 1);
    else if (spec.takesValue) {
      i += 1;
      const next = words[i];
      if (next === undefined) throw new UsageError(`Option "${name}" takes an operand`);
      value = next;
    }
    options.set(spec.name, [...(options.get(spec.name) ?? []), value]);
  }
  return { options, operands };
}
