import { beforeEach, describe, expect, test } from 'vitest';
import { Screen } from '../../src/demo/output.ts';

let shown: string;
let screen: Screen;
beforeEach(() => {
  shown = '';
  screen = new Screen((text) => {
    shown += text;
  }, false);
});

test('prints scenes, stages, quotes and claims', () => {
  screen.scene(3, 'Something happens');
  screen.begin('queued');
  screen.finish('4 ms');
  screen.begin('testing');
  screen.note('kill -9 12');
  screen.note('started again');
  screen.finish('12.3 s');
  screen.quote('Patch Set 1:\n\nBuild \u001b[31mfailed\n');
  screen.claim(true, 'one message', 'two');
  screen.claim(false, 'no server left', 'one');
  expect(shown).toBe(`
3. Something happens
   queued      4 ms
   testing ${'    '}
   kill -9 12
   started again
   testing     12.3 s
   | Patch Set 1:
   |
   | Build ${shown.match(/Build (.*)failed/)?.[1]}failed
   proved      one message
   NOT TRUE    no server left
               observed instead: one
`);
  expect(shown).not.toContain('\u001b');
  expect([screen.held, screen.failed]).toEqual([1, 1]);
});

describe('colour', () => {
  test('only on request', () => {
    let colored = '';
    new Screen((text) => {
      colored += text;
    }, true).heading('Hello');
    screen.heading('Hello');
    expect([colored, shown]).toEqual(['\u001b[1mHello\u001b[0m\n', 'Hello\n']);
  });
});

test('output of a program is unchanged, on separate lines', () => {
  screen.begin('testing');
  screen.verbatim('one\ntwo');
  screen.verbatim('');
  expect(shown).toBe('   testing     \none\ntwo\n');
});
