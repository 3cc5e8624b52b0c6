/** Cases with two voting jobs on one project. */
import { expect } from 'vitest';
import type { TestCase } from './case.ts';
import type { Section } from './case-config.ts';
import type { Testbed } from './testbed.ts';

export const [FIRST, SECOND] = ['unit-1', 'unit-2'];

/** @param more keys of both jobs */
export async function twoJobs(
  testbed: Testbed,
  transport: string,
  testing: string,
  more: Section = {},
): Promise<TestCase> {
  const testCase = await testbed.newCase({
    testing,
    nodes: 2,
    projects: [`other-${transport}`],
    gerrit: transport === 'REST' ? testbed.rest() : {},
  });
  const section = { project: testCase.name, ...more };
  testCase.configure({}, { [FIRST]: section, [SECOND]: { ...section, comments: ['^second please'] } });
  return testCase;
}

export async function enqueue(testCase: TestCase, change: number, ...jobs: string[]): Promise<void> {
  const { code, text } = await testCase.runCli('enqueue', String(change), ...jobs);
  expect([code, text]).toEqual([0, expect.anything()]);
}
