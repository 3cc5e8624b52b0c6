import { describe, expect, test } from 'vitest';
import { graphCommand } from '../../../src/cli/commands/graph.ts';
import { FORMATS } from '../../../src/cli/diagram/render.ts';
import { versions } from '../../../src/machines/versions.ts';
import { fakeIo } from '../../fakes/io.ts';

async function graph(machine: string | undefined, options: Parameters<typeof graphCommand>[2] = {}) {
  const io = fakeIo();
  expect(await graphCommand(io, machine, options)).toBe(0);
  return io.stdout();
}

describe('graph', () => {
  test.each(Object.keys(versions))('of %s is the picture in docs/', async (name) => {
    const svg = await graph(name, { format: 'svg' });
    await expect(svg).toMatchFileSnapshot(`../../../docs/machines/${name.replace('@', '-')}.svg`);
  });

  test.each(FORMATS.filter((format) => format !== 'svg'))('of a hold as %s', async (format) => {
    await expect(await graph('hold', { format })).toMatchFileSnapshot(`../../golden/graph-hold.${format}`);
  });

  test('as JSON', async () => {
    expect(JSON.parse(await graph('verdicts', { json: true }))).toEqual({
      format: 1,
      machine: 'verdicts@1',
      initial: 'open',
      states: [
        { path: 'open', name: 'open', children: [], ended: false },
        { path: 'idle', name: 'idle', children: [], ended: true },
      ],
      edges: expect.arrayContaining([expect.objectContaining({ to: 'idle' })]),
    });
  });

  test('without a name lists the machines', async () => {
    const [head, first] = (await graph(undefined)).split('\n');
    expect(head).toBe('MACHINE        STATES  TRANSITIONS');
    expect(first).toMatch(/^job@1 +26 +58$/);
    expect(JSON.parse(await graph(undefined, { json: true })).machines).toHaveLength(
      Object.keys(versions).length,
    );
  });

  test.each([
    ['jobs', {}, /there is no machine "jobs"/],
    ['\u001b[2J', {}, /no machine "\\u001b\[2J"/],
    [undefined, { format: 'svg' }, /a picture shows one machine/],
  ] as const)('of %j with %j is an error', async (machine, options, message) => {
    await expect(graphCommand(fakeIo(), machine, options)).rejects.toThrow(message);
  });
});
