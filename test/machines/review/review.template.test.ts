/** A review with the site's own template, which is used as long as every parser understands it. */
import { expect, test } from 'vitest';
import { failure, jobReport, REVIEW, reportSpec } from '../facts.ts';
import { voteInputs } from '../review-world.ts';
import { Simulator } from '../simulator.ts';

function sending(template: string): Simulator {
  const world = Simulator.review(reportSpec({ template }));
  world.send(REVIEW, { type: 'job.reported', report: jobReport() });
  voteInputs(world);
  return world;
}

function effects(world: Simulator) {
  return world.rowsOf(REVIEW).flatMap((row) => row.effects);
}

function messages(world: Simulator): readonly string[] {
  return effects(world).flatMap((effect) => (effect.type === 'postReview' ? [effect.message] : []));
}

function alarms(world: Simulator): readonly string[] {
  return effects(world).flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm.kind] : []));
}

test('a valid template is posted', () => {
  const world = sending('{header}\n\n{jobs}\n\nThank you.\n{run}');
  expect(messages(world)).toEqual([expect.stringContaining('\n\nThank you.\nsos-ci run review-1')]);
  expect(alarms(world)).toEqual([]);
});

test('one that parsers would misread is replaced by the built-in text, with one alarm', () => {
  const world = sending('- {header}\n\n{jobs}\n\n{run}');
  world.answerType(REVIEW, 'postReview', { type: 'review.post-failed', failure: failure('post review') });
  world.fire(REVIEW);
  voteInputs(world);
  const builtIn = expect.stringMatching(/^Build succeeded \(check pipeline\)\./);
  expect(messages(world)).toEqual([builtIn, builtIn]);
  expect(alarms(world)).toEqual(['template-invalid']);
});
