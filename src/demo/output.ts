/**
 * The demo's output: scenes, stages with their times, quotes from Gerrit, and claims with their results. Plain lines, so that
 * it reads the same in a terminal and in a file.
 */
import { plainText } from '../terminal-text.ts';

const CODES = { bold: '1', dim: '2', red: '31', green: '32', yellow: '33' } as const;

export class Screen {
  readonly #out: (text: string) => void;
  readonly #color: boolean;
  #lineOpen = false;
  #openName = '';
  #failed = 0;
  #held = 0;

  constructor(out: (text: string) => void, color: boolean) {
    this.#out = out;
    this.#color = color;
  }

  /** The number of claims that failed so far. */
  get failed(): number {
    return this.#failed;
  }

  get held(): number {
    return this.#held;
  }

  heading(text: string): void {
    this.#line(this.#paint('bold', text));
  }

  scene(number: number, title: string): void {
    this.#line('');
    this.#line(this.#paint('bold', `${number}. ${title}`));
  }

  /** Prints a name and a value. */
  fact(name: string, text: string): void {
    this.#line(`   ${this.#paint('dim', name.padEnd(11))} ${plainText(text)}`);
  }

  note(text: string): void {
    this.#line(`   ${plainText(text)}`);
  }

  /** Starts a line that `finish` ends later. Output in between starts new lines. */
  begin(name: string): void {
    this.#close();
    this.#openName = name;
    this.#out(`   ${this.#paint('dim', name.padEnd(11))} `);
    this.#lineOpen = true;
  }

  finish(text: string): void {
    if (!this.#lineOpen) this.begin(this.#openName);
    this.#out(`${plainText(text)}\n`);
    this.#lineOpen = false;
  }

  /** Prints quoted text behind a bar. */
  quote(text: string): void {
    for (const line of text.trimEnd().split('\n')) {
      this.#line(`   ${this.#paint('dim', '|')} ${plainText(line)}`.trimEnd());
    }
  }

  /** Prints a program's output unchanged. */
  verbatim(text: string): void {
    this.#close();
    this.#out(text.endsWith('\n') || text === '' ? text : `${text}\n`);
  }

  /** Prints whether a claim holds; `observed` describes the actual result. */
  claim(holds: boolean, text: string, observed: string): void {
    if (holds) {
      this.#held += 1;
      this.#line(`   ${this.#paint('green', 'proved')}      ${plainText(text)}`);
      return;
    }
    this.#failed += 1;
    this.#line(`   ${this.#paint('red', 'NOT TRUE')}    ${plainText(text)}`);
    this.#line(`               observed instead: ${plainText(observed)}`);
  }

  blank(): void {
    this.#line('');
  }

  #line(text: string): void {
    this.#close();
    this.#out(`${text}\n`);
  }

  #close(): void {
    if (this.#lineOpen) this.#out('\n');
    this.#lineOpen = false;
  }

  #paint(how: keyof typeof CODES, text: string): string {
    return this.#color && text !== '' ? `\u001b[${CODES[how]}m${text}\u001b[0m` : text;
  }
}
