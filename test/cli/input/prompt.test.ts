import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createPrompt } from '../../../src/cli/input/prompt.ts';
import { CliError } from '../../../src/cli/output/exit-codes.ts';

function terminal() {
  const [input, output] = [new PassThrough(), new PassThrough()];
  output.setEncoding('utf8');
  return { input, output, asking: createPrompt(input, output) };
}

test('answers in order, including those that came before the question', async () => {
  const { input, output, asking } = terminal();
  input.write('  one \ntwo\n');
  expect(await asking.ask('first: ')).toBe('one');
  expect(await asking.ask('  it is odd\nsecond: ')).toBe('two');
  const third = asking.ask('third: ');
  input.write('\n');
  expect(await third).toBe('');
  input.write('yes\nyes\n');
  expect(await asking.ask('and? ')).toBe('yes');
  const seen = asking.ask('is it right? ', true);
  input.write('no\n');
  expect(await seen).toBe('no');
  asking.close();
  expect(output.read()).toContain('  it is odd\nsecond: two\n');
});

test('an input that ends, before and during a question', async () => {
  const { input, asking } = terminal();
  const waiting = asking.ask('first: ');
  input.end();
  await expect(waiting).rejects.toThrow(CliError);
  await expect(asking.ask('second: ')).rejects.toMatchObject({ exitCode: 130 });
});
