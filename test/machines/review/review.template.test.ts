/** A review with a configured template, which is used only if every parser understands the comment. */
import { expect, test } from 'vitest';
import { failure, jobReport, REVIEW, reportSpec } from '../facts.ts';
import { voteInputs } from '../review-simulator.ts';
import { Simulator } from '../simulator.ts';

function sending(template: string): Simulator {
  const simulator = Simulator.review(reportSpec({ template }));
  simulator.send(REVIEW, { type: 'job.reported', report: jobReport() });
  voteInputs(simulator);
  return simulator;
}

function effects(simulator: Simulator) {
  return simulator.rowsOf(REVIEW).flatMap((row) => row.effects);
}

function messages(simulator: Simulator): readonly string[] {
  return effects(simulator).flatMap((effect) => (effect.type === 'postReview' ? [effect.message] : []));
}

function alarms(simulator: Simulator): readonly string[] {
  return effects(simulator).flatMap((effect) => (effect.type === 'raiseAlarm' ? [effect.alarm.kind] : []));
}

test('a valid template is posted', () => {
  const simulator = sending('{header}\n\n{jobs}\n\nThank you.\n{run}');
  expect(messages(simulator)).toEqual([expect.stringContaining('\n\nThank you.\nsos-ci review review-1')]);
  expect(alarms(simulator)).toEqual([]);
});

test('a template that parsers would misread is replaced by the built-in text, with one alarm', () => {
  const simulator = sending('- {header}\n\n{jobs}\n\n{run}');
  simulator.answerType(REVIEW, 'postReview', { type: 'review.post-failed', failure: failure('post review') });
  simulator.fire(REVIEW);
  voteInputs(simulator);
  const builtIn = expect.stringMatching(/^Build succeeded \(check pipeline\)\./);
  expect(messages(simulator)).toEqual([builtIn, builtIn]);
  expect(alarms(simulator)).toEqual(['template-invalid']);
});
