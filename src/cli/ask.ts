/** Questions on a terminal: asked on standard error, answered on standard input, one line each. */
import { createInterface } from 'node:readline/promises';

export interface Asking {
  /** The answer without spaces around it; '' when nothing was typed. Rejects when the input ends. */
  ask(question: string): Promise<string>;
  close(): void;
}

/** Null: nobody is there to answer. */
export function terminalAsking(): Asking | null {
  const { stdin, stderr } = process;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return null;
  const lines = createInterface({ input: stdin, output: stderr });
  const ended = new Promise<never>((_, reject) => {
    lines.once('close', () => reject(new Error('the input has ended')));
  });
  ended.catch(() => {});
  return {
    ask: async (question) => (await Promise.race([lines.question(question), ended])).trim(),
    close: () => lines.close(),
  };
}
