import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  MESSAGE_LIMIT_BYTES,
  truncateMessage,
} from '../../../../src/adapters/gerrit/reviews/truncate-message.ts';

const line = '- job https://logs.example.org/x/ : FAILURE in 1s';

describe('a message that is too long', () => {
  test('one that fits is unchanged', () => {
    expect(truncateMessage('Build failed\n\n- x run-1\n', 'run-1')).toBe('Build failed\n\n- x run-1\n');
  });

  test('is cut at a line, with a note', () => {
    const message = ['Build failed (check pipeline). run-1', '', ...Array(30_000).fill(line)].join('\n');
    const fitted = truncateMessage(message, 'run-1');
    expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(MESSAGE_LIMIT_BYTES);
    const lines = fitted.split('\n');
    expect(lines.slice(0, 3)).toEqual(['Build failed (check pipeline). run-1', '', line]);
    expect(lines.slice(-3)).toEqual([line, '', '(cut here: the message was too long)']);
  });

  test('keeps the line with the run if it would be cut off', () => {
    const message = [...Array(30_000).fill(line), '- last https://logs/run-1/ : SUCCESS'].join('\n');
    expect(truncateMessage(message, 'run-1').split('\n').slice(-2)).toEqual([
      '(cut here: the message was too long)',
      '- last https://logs/run-1/ : SUCCESS',
    ]);
  });

  test('any text fits afterwards and contains its run', () => {
    const text = fc.array(fc.string({ unit: 'grapheme', maxLength: 60 }), { maxLength: 20 });
    fc.assert(
      fc.property(text, fc.nat(20), fc.integer({ min: 200, max: 400 }), (lines, at, limit) => {
        const message = [...lines.slice(0, at), 'x run-77 y', ...lines.slice(at)].join('\n');
        const fitted = truncateMessage(message, 'run-77', limit);
        expect(Buffer.byteLength(fitted)).toBeLessThanOrEqual(limit);
        expect(fitted).toContain('run-77');
      }),
    );
  });

  test('an endless first line still leaves the run and the note', () => {
    const fitted = truncateMessage(`${'x'.repeat(2_000_000)} run-1`, 'run-1');
    expect(fitted).toBe('\n\n(cut here: the message was too long)\n- run run-1');
  });

  test('a message without its run is a programming error', () => {
    expect(() => truncateMessage('Build failed', 'run-1')).toThrow(/does not contain its run/);
  });
});
