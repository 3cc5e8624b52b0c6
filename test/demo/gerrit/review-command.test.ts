import { beforeEach, describe, expect, test } from 'vitest';
import { splitArguments } from '../../../src/demo/gerrit/command-line.ts';
import { runReview } from '../../../src/demo/gerrit/review-command.ts';
import type { GerritAccount } from '../../../src/demo/gerrit/state.ts';
import { type Example, exampleSite } from './example-site.ts';

let example: Example;
beforeEach(() => {
  example = exampleSite();
});

const ENDING = 'fatal: one or more reviews failed; review output above\n';

/** As measured on Gerrit 3.9.1. */
describe('rejected', () => {
  test.each([
    ['', 'Argument "{COMMIT | CHANGE,PATCHSET}" is required'],
    ['-m x 999,1', '"999" no such change'],
    ['-m x 1,9', '"1,9" no such patch set'],
    ['-m x foo', '"foo" is not a valid patch set'],
    ['-m x deadbeef', '"deadbeef" no such patch set'],
    ['-p openstack/nova -m x 1,2', 'database error'],
    ['-p openstack/cinder -m x 999,1', 'database error'],
    ['--label Code-Review=x 1,2', 'For input string: "x"'],
    ['--strict-labels 1,2', '"--strict-labels" is not a valid option'],
    ['--abandon --restore 1,2', 'abandon and restore actions are mutually exclusive'],
    ['--json -m y 1,2', 'json and message are mutually exclusive'],
  ])('review %s', async (line, message) => {
    await expect(review(line)).rejects.toThrow(message);
    expect(example.types).toEqual([]);
  });

  test.each([
    ['--label Verified=1 -m v 1,2', 'error: fatal: Applying label "Verified": 1 is restricted\n\n'],
    ['--code-review 2 1,2', 'error: fatal: Applying label "Code-Review": 2 is restricted\n\n'],
    ['--restore 1,2', 'error: fatal: change is new\n\n'],
    ['--submit 1,2', 'error: fatal: submit not permitted\n\n'],
  ])('review %s', async (line, stderr) => {
    expect(await review(line)).toEqual({ status: 1, stderr: stderr + ENDING });
    expect(texts().filter((text) => text.includes('v'))).toEqual([]);
  });

  test.each(['not json', '[]', '"text"', '{"labels":{"Code-Review":"x"}}'])('input %s', async (input) => {
    const answer = await review('--json 1,2', input);
    expect(answer.status).toBe(1);
    expect(answer.stderr).toMatch(/\nfatal: internal error while reading review input\n$/);
  });

  test('a label that the account may not use, as JSON', async () => {
    const stderr = `error: Applying label "Verified": 1 is restricted\n\n${ENDING}`;
    const input = JSON.stringify({ message: 'x', labels: { Verified: 1 } });
    expect(await review('--json 1,2', input)).toEqual({ status: 1, stderr });
    expect(texts()).toEqual([]);
  });

  test('a message of more than 16,384 characters, not bytes', async () => {
    const sizes = 'Comment size exceeds limit (16385 > 16384)';
    const answer = await review('--json 1,2', JSON.stringify({ message: 'x'.repeat(16_385) }));
    expect(answer).toEqual({
      status: 1,
      stderr: `error: One or more comments were rejected in validation: ${sizes}\n\n${ENDING}`,
    });
    expect((await review('--json 1,2', JSON.stringify({ message: 'é'.repeat(16_384) }))).status).toBe(0);
  });

  test('a lower vote on a merged change; a bare message is accepted', async () => {
    await review('--code-review 1 1,2');
    example.change.status = 'MERGED';
    const why = 'error: fatal: Cannot reduce vote on labels for closed change: Code-Review\n\n';
    expect(await review('--code-review 0 1,2')).toEqual({ status: 1, stderr: why + ENDING });
    expect((await review('-m later 1,2')).status).toBe(0);
  });
});

describe('accepted', () => {
  test.each([
    ['--label Nope=1 -m v 1,2', ['Patch Set 2:\n\nv']],
    ['--label Code-Review=7 -m v 1,2', ['Patch Set 2:\n\nv']],
    ['--label Code-Review=+1 1,2', ['Patch Set 2: Code-Review+1']],
    ['-m old 1,1', ['Patch Set 1:\n\nold']],
    ['1,2', []],
  ])('review %s', async (line, expected) => {
    expect(await review(line)).toEqual({ status: 0, stderr: '' });
    expect(texts()).toEqual(expected);
    expect(example.types).toEqual(['ref-updated', ...expected.map(() => 'comment-added')]);
  });

  test.each([
    ['', []],
    ['{"message":"  pad  \\n\\n","tag":"t","unknown":1}', ['Patch Set 2:\n\npad']],
    ['{"labels":{"Code-Review":"1"}}', ['Patch Set 2: Code-Review+1']],
  ])('input %s', async (input, expected) => {
    expect((await review('--json 1,2', input)).status).toBe(0);
    expect(texts()).toEqual(expected);
  });

  test('by commit, and the same message twice', async () => {
    const line = `-m again ${example.change.patchsets[1]?.revision}`;
    await review(line);
    await review(line);
    expect(texts()).toEqual(['Patch Set 2:\n\nagain', 'Patch Set 2:\n\nagain']);
  });

  test('votes are listed in alphabetical order, removed with a minus, and sent with their old values', async () => {
    const approvals: unknown[] = [];
    example.site.listen((event) => event.type === 'comment-added' && approvals.push(event.approvals));
    const votes = (value: number) =>
      JSON.stringify({ message: 'x', labels: { Verified: -value, 'Code-Review': value } });
    await review('--json 1,2', votes(1), example.ci);
    await review('--json 1,2', votes(1), example.ci);
    await review('--json 1,2', votes(0), example.ci);
    expect(texts()).toEqual([
      'Patch Set 2: Code-Review+1 Verified-1\n\nx',
      'Patch Set 2:\n\nx',
      'Patch Set 2: -Code-Review -Verified\n\nx',
    ]);
    const entry = (type: string, value: string, oldValue?: string) => ({
      type,
      description: type,
      value,
      ...(oldValue === undefined ? {} : { oldValue }),
    });
    expect(approvals).toEqual([
      [entry('Verified', '-1', '0'), entry('Code-Review', '1', '0')],
      [entry('Verified', '-1'), entry('Code-Review', '1')],
      [entry('Verified', '0', '-1'), entry('Code-Review', '0', '1')],
    ]);
  });

  test('abandoned, commented without votes, and restored', async () => {
    expect((await review('--abandon -m "no need" 1,2')).status).toBe(0);
    expect(example.change.status).toBe('ABANDONED');
    expect((await review('--abandon 1,2')).stderr).toContain('error: fatal: change is abandoned');
    await review('-m closed 1,2');
    const vote = await review('--code-review 1 -m y 1,2');
    expect(vote.stderr).toBe(`error: fatal: change is closed\n\n${ENDING}`);
    expect((await review('--restore -m back 1,2')).status).toBe(0);
    expect(texts()).toEqual(['Abandoned\n\nno need', 'Patch Set 2:\n\nclosed', 'Restored\n\nback']);
    expect(example.change.status).toBe('NEW');
  });

  test('a private change does not exist for others', async () => {
    example.change.isPrivate = true;
    const refused = { status: 1, stderr: `error: fatal: Not found: 1\n\n${ENDING}` };
    expect(await review('-m x 1,2', '', example.ci)).toEqual(refused);
    expect((await review('-m x 1,2')).status).toBe(0);
  });
});

function review(line: string, stdin = '', by: GerritAccount = example.dev): ReturnType<typeof runReview> {
  return runReview(example.site, by, splitArguments(line), stdin);
}

function texts(): string[] {
  return example.change.messages.map((message) => message.text);
}
