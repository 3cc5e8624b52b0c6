/** The systemd unit: the settings that the daemon relies on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EXIT } from '../../../src/cli/output/exit-codes.ts';
import { SERVICE_LIMITS } from '../../../src/config/constants.ts';
import { parseDuration } from '../../../src/config/fields/units.ts';
import { ROOT } from '../../house/source.ts';

const text = readFileSync(join(ROOT, 'examples', 'sos-ci.service'), 'utf8');
const unit = new Map(
  text.split('\n').flatMap((line) => {
    const [, key, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    return key === undefined || value === undefined ? [] : [[key, value] as const];
  }),
);

test('keeps stages running when it stops, restarts or runs out of memory', () => {
  expect([unit.get('KillMode'), unit.get('OOMPolicy')]).toEqual(['process', 'continue']);
  // These settings would hide the files of stages that continue.
  expect(
    [...unit.keys()].filter((key) => /^(Private|Protect|Temporary|Root|Bind|ReadOnly)/.test(key)),
  ).toEqual([]);
});

test('sends the signals that the daemon expects', () => {
  expect(unit.get('ExecStart')).toMatch(/^\/\S+\/sos-ci daemon$/);
  expect(unit.get('ExecReload')).toMatch(/ -HUP \$MAINPID$/);
  const stopMs = parseDuration(unit.get('TimeoutStopSec') ?? '') ?? 0;
  expect(stopMs).toBeGreaterThan(SERVICE_LIMITS.shutdownTimeoutMs);
  expect(unit.get('RestartPreventExitStatus')).toBe(`${EXIT.usage} ${EXIT.config}`);
});
