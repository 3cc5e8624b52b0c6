/** Applies the rules to lines of Gerrit's stream, in chunks of any size and with any content. */
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { type ExplainedLine, explainLines } from '../../src/app/explain-trigger.ts';
import type { TriggerRules } from '../../src/machines/trigger/trigger.ts';
import { jobRules, triggerRules } from '../machines/rule-facts.ts';

const SAMPLE = readFileSync(new URL('../samples/gerrit-3.9.1-stream.jsonl', import.meta.url));

async function explained(
  chunks: readonly Uint8Array[],
  rules: TriggerRules = triggerRules(),
  limit = 1_000_000,
) {
  const lines: ExplainedLine[] = [];
  await explainLines(rules, Readable.from(chunks), limit, (line) => lines.push(line));
  return lines;
}

/** The last decision of each line that has one. */
function decisionTexts(lines: readonly ExplainedLine[]): readonly string[] {
  return lines.flatMap((line) => {
    if (!('event' in line) || line.event.type === 'other') return [];
    const last = line.decisions.at(-1);
    return [`${line.line} ${last?.do} ${last?.rule}`];
  });
}

describe('a file of events', () => {
  test('is explained line by line, whatever the chunks', async () => {
    const whole = await explained([SAMPLE]);
    expect(whole).toHaveLength(49);
    expect(decisionTexts(whole).slice(0, 5)).toEqual([
      '3 start patchset',
      '7 start patchset',
      '10 start patchset',
      '12 start recheck',
      '14 start run-ci',
    ]);
    const pieces = Array.from({ length: Math.ceil(SAMPLE.length / 1_000) }, (_, at) =>
      SAMPLE.subarray(at * 1_000, (at + 1) * 1_000),
    );
    expect(await explained(pieces)).toEqual(whole);
  });

  test('without a final line end is complete', async () => {
    const end = SAMPLE.length - (SAMPLE.at(-1) === 0x0a ? 1 : 0);
    expect(await explained([SAMPLE.subarray(0, end)])).toEqual(await explained([SAMPLE]));
  });

  test('counts from line to line, so that limits apply', async () => {
    const limits = { change: 2, author: 9, project: 9, total: 9 };
    const found = decisionTexts(await explained([SAMPLE], triggerRules({ limits })));
    expect(found.slice(0, 4)).toEqual([
      '3 start patchset',
      '7 start patchset',
      '10 defer limit-change',
      '12 defer limit-change',
    ]);
  });

  test('reports the decision of each job for a line', async () => {
    const jobs = [jobRules({ name: 'a' }), jobRules({ name: 'b', branches: ['stable/*'] })];
    const [, , third] = await explained([SAMPLE], triggerRules({ jobs }));
    expect(third).toMatchObject({
      line: 3,
      jobs: [
        { job: 'a', rule: 'patchset' },
        { job: 'b', rule: 'branch', cause: null },
      ],
    });
  });

  test('may contain invalid lines', async () => {
    const text = `nonsense\n\n\r\n{"type":"${'x'.repeat(200)}"}\n[]\n\u0000\ufffd\n{"type":"patchset-created"}`;
    const lines = await explained([Buffer.from(text)], triggerRules(), 100);
    expect(lines.map((line) => ('rejected' in line ? `${line.line} ${line.rejected}` : line))).toEqual([
      '1 not-json',
      '4 line of 211 bytes',
      '5 not-an-object',
      '6 not-json',
      '7 patchset-created change',
    ]);
  });
});
