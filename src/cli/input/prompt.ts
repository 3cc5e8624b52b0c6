/**
 * Asks questions on a terminal: prints them to standard error and reads one line each from standard input. Lines that are
 * pasted or typed ahead answer the next questions.
 */
import { createInterface } from 'node:readline';
import { CliError, EXIT } from '../output/exit-codes.ts';

export interface Prompt {
  /**
   * The trimmed answer; '' for an empty line. Rejects when the input ends.
   * @param discardTypedAhead true: only what is typed after the question counts, because nobody can answer the question
   * before seeing it
   */
  ask(question: string, discardTypedAhead?: boolean): Promise<string>;
  close(): void;
}

/** Null: there is no terminal. */
export function terminalPrompt(): Prompt | null {
  const { stdin, stderr } = process;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return null;
  return createPrompt(stdin, stderr);
}

export function createPrompt(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Prompt {
  const lines = createInterface({ input, output });
  const typedAhead: string[] = [];
  let waiting: { resolve(line: string): void; reject(error: Error): void } | null = null;
  let ended = false;
  const inputEnded = (): CliError => new CliError(EXIT.interrupted, 'the input ended; nothing more was done');
  lines.on('line', (line) => {
    if (waiting === null) typedAhead.push(line);
    else waiting.resolve(line);
    waiting = null;
  });
  lines.on('close', () => {
    ended = true;
    if (waiting !== null) output.write('\n');
    waiting?.reject(inputEnded());
    waiting = null;
  });
  return {
    ask: async (question, discardTypedAhead = false) => {
      if (discardTypedAhead) typedAhead.length = 0;
      // readline counts the columns of its prompt, so only the last line of the question is passed to it.
      const cut = question.lastIndexOf('\n') + 1;
      output.write(question.slice(0, cut));
      lines.setPrompt(question.slice(cut));
      const next = typedAhead.shift();
      if (next === undefined && ended) throw inputEnded();
      if (next !== undefined) output.write(`${question.slice(cut)}${next}\n`);
      else lines.prompt();
      const line =
        next ??
        (await new Promise<string>((resolve, reject) => {
          waiting = { resolve, reject };
        }));
      return line.trim();
    },
    close: () => lines.close(),
  };
}
