import { expect, test } from 'vitest';
import { onStopSignals } from '../../../src/cli/commands/daemon.ts';

test('the first signal requests a stop, the second does not wait, later ones are ignored', () => {
  const heard: string[] = [];
  const before = process.listenerCount('SIGTERM');
  const off = onStopSignals(
    () => heard.push('ask'),
    () => heard.push('insist'),
  );
  process.emit('SIGTERM');
  expect(heard).toEqual(['ask']);
  process.emit('SIGINT');
  expect(heard).toEqual(['ask', 'insist']);
  off();
  expect(process.listenerCount('SIGTERM')).toBe(before);
});
