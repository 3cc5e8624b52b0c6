import { expect, test } from 'vitest';
import { onStopSignals } from '../../../src/cli/commands/daemon.ts';

test('the first signal requests a stop, the second does not wait for it', () => {
  const calls: string[] = [];
  const before = process.listenerCount('SIGTERM');
  const off = onStopSignals(
    () => calls.push('ask'),
    () => calls.push('insist'),
  );
  process.emit('SIGTERM');
  expect(calls).toEqual(['ask']);
  process.emit('SIGINT');
  expect(calls).toEqual(['ask', 'insist']);
  off();
  expect(process.listenerCount('SIGTERM')).toBe(before);
});
