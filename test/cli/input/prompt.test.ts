import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { createPrompt } from '../../../src/cli/input/prompt.ts';
import { CliError } from '../../../src/cli/output/exit-codes.ts';

function terminal() {
  const [input, output] = [new PassThrough(), new PassThrough()];
  output.setEncoding('utf8');
  return { input, output, prompt: createPrompt(input, output) };
}

test('returns answers in order, including those that were typed before the question', async () => {
  const { input, output, prompt } = terminal();
  input.write('  one \ntwo\n');
  expect(await prompt.ask('first: ')).toBe('one');
  expect(await prompt.ask('  it is odd\nsecond: ')).toBe('two');
  const third = prompt.ask('third: ');
  input.write('\n');
  expect(await third).toBe('');
  input.write('yes\nyes\n');
  expect(await prompt.ask('and? ')).toBe('yes');
  const seen = prompt.ask('is it right? ', true);
  input.write('no\n');
  expect(await seen).toBe('no');
  prompt.close();
  expect(output.read()).toContain('  it is odd\nsecond: two\n');
});

test('rejects when the input ends, before and during a question', async () => {
  const { input, prompt } = terminal();
  const waiting = prompt.ask('first: ');
  input.end();
  await expect(waiting).rejects.toThrow(CliError);
  await expect(prompt.ask('second: ')).rejects.toMatchObject({ exitCode: 130 });
});
