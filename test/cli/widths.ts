/** What a list prints on narrow and wide terminals, with and without colour, as one golden file. */
import { expect } from 'vitest';
import { textWidth } from '../../src/cli/output/table.ts';
import type { Io } from '../../src/cli/output/terminal.ts';
import { fakeIo } from '../fakes/io.ts';

const WIDTHS = [60, 80, 120];
const COLOR = new RegExp(`${String.fromCharCode(0x1b)}\\[\\d*m`, 'g');

/** Each escape as `␛`. Every line must fit, except those that `mayOverflow` accepts. */
export async function expectToFit(
  name: string,
  options: Partial<Io>,
  print: (io: Io) => unknown,
  mayOverflow: (line: string) => boolean = () => false,
): Promise<void> {
  const parts: string[] = [];
  for (const width of WIDTHS) {
    const [plain, colored] = [fakeIo({ ...options, width }), fakeIo({ ...options, width, color: true })];
    await print(plain);
    await print(colored);
    const out = colored.stdout();
    expect(out.replaceAll(COLOR, ''), `${name}: colour changes the text`).toBe(plain.stdout());
    const tooLong = plain
      .stdout()
      .split('\n')
      .filter((line) => textWidth(line) > width && !mayOverflow(line));
    expect(tooLong, `${name} at ${width} columns`).toEqual([]);
    parts.push(`${width} columns\n\n${plain.stdout()}`, `${width} columns in colour\n\n${out}`);
  }
  const all = parts.join('\n').replaceAll('\u001b', '␛');
  await expect(all).toMatchFileSnapshot(`../../golden/widths/${name}.txt`);
}
