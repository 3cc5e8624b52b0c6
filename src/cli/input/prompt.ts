/**
 * Questions on a terminal: asked on standard error, answered on standard input, one line each. Lines that come before they
 * are asked for (pasted, or typed ahead) are kept for the next questions.
 */
import { createInterface } from 'node:readline';
import { CliError, EXIT } from '../output/exit-codes.ts';

export interface Asking {
  /**
   * The answer without spaces around it; '' when nothing was typed. Rejects when the input ends.
   * @param seen true: only what is typed after the question counts, because it can not be answered before
   */
  ask(question: string, seen?: boolean): Promise<string>;
  close(): void;
}

/** Null: nobody is there to answer. */
export function terminalAsking(): Asking | null {
  const { stdin, stderr } = process;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return null;
  return askingOn(stdin, stderr);
}

export function askingOn(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Asking {
  const lines = createInterface({ input, output });
  const early: string[] = [];
  let waiting: { take(line: string): void; give(error: Error): void } | null = null;
  let ended = false;
  const over = (): CliError => new CliError(EXIT.interrupted, 'the input has ended: nothing more was done');
  lines.on('line', (line) => {
    if (waiting === null) early.push(line);
    else waiting.take(line);
    waiting = null;
  });
  lines.on('close', () => {
    ended = true;
    if (waiting !== null) output.write('\n');
    waiting?.give(over());
    waiting = null;
  });
  return {
    ask: async (question, seen = false) => {
      if (seen) early.length = 0;
      // A prompt is the last line only: the terminal counts its columns.
      const cut = question.lastIndexOf('\n') + 1;
      output.write(question.slice(0, cut));
      lines.setPrompt(question.slice(cut));
      const next = early.shift();
      if (next === undefined && ended) throw over();
      if (next !== undefined) output.write(`${question.slice(cut)}${next}\n`);
      else lines.prompt();
      const line =
        next ??
        (await new Promise<string>((take, give) => {
          waiting = { take, give };
        }));
      return line.trim();
    },
    close: () => lines.close(),
  };
}
