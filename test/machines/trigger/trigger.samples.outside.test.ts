/** Decisions of several sets of rules on the recorded streams of two real servers. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parseEvent } from '../../../src/adapters/gerrit/stream/parse-event.ts';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import { decide, type TriggerRules } from '../../../src/machines/trigger/trigger.ts';
import { jobRules, triggerRules } from '../rule-facts.ts';
import { factsOf, VOTE } from './trigger-facts.ts';

function events(version: string): readonly GerritEvent[] {
  const text = readFileSync(new URL(`../../samples/gerrit-${version}-stream.jsonl`, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => parseEvent(line))
    .flatMap((parsed) => ('event' in parsed ? [parsed.event] : []));
}

/** One line for each decision on an event of a change. */
function decisionLines(version: string, rules: TriggerRules): readonly string[] {
  return events(version).flatMap((event) => {
    if (event.type === 'other') return [];
    const name = 'patchset' in event ? ` ${event.patchset.change},${event.patchset.patchset}` : '';
    return decide(event, rules, factsOf()).map(
      ({ do: action, rule }) => `${event.type}${name} ${action} ${rule}`,
    );
  });
}

describe.each(['3.9.1', '3.12.0'])('decisions on the stream of Gerrit %s', (version) => {
  test('with the default rules', () => {
    expect(decisionLines(version, triggerRules())).toEqual([
      'patchset-created 1,1 start patchset',
      'patchset-created 1,2 start patchset',
      'patchset-created 1,3 start patchset',
      'comment-added 1,3 start recheck',
      'comment-added 1,3 start run-ci',
      'comment-added 1,3 ignore comment',
      'comment-added 1,3 ignore ci-account',
      'comment-added 1,3 ignore comment',
      'change-ready 1,3 start ready',
      'change-ready 1,3 start ready',
      'change-abandoned ignore closed',
      'change-restored 1,3 start restored',
      'patchset-created 2,1 ignore project',
      'comment-added 2,1 ignore own-account',
      'change-merged ignore closed',
      'patchset-created 3,1 ignore wip',
    ]);
  });

  test('after the vote of another CI', () => {
    const voted = triggerRules({ jobs: [jobRules({ triggers: ['vote'], votes: [VOTE] })] });
    expect(decisionLines(version, voted).filter((line) => line.includes('start'))).toEqual([
      'comment-added 1,3 start vote',
    ]);
  });

  test('with rules on hashtags, kinds and topics', () => {
    const jobs = [jobRules({ topics: ['acme-*'], kinds: { include: ['REWORK'], exclude: [] } })];
    const found = decisionLines(version, triggerRules({ jobs, wip: true }));
    expect(found.filter((line) => line.startsWith('patchset-created'))).toEqual([
      'patchset-created 1,1 start patchset',
      'patchset-created 1,2 ignore kind',
      'patchset-created 1,3 start patchset',
      'patchset-created 2,1 ignore project',
      'patchset-created 3,1 ignore topic',
    ]);
    const tagged = triggerRules({ jobs: [jobRules({ hashtags: ['acme'] })] });
    expect(decisionLines(version, tagged).filter((line) => line.includes('start'))).toEqual([
      'change-restored 1,3 start restored',
    ]);
  });
});
