import { describe, expect, test } from 'vitest';
import { parseOptions, splitArguments, UsageError } from '../../../src/demo/gerrit/command-line.ts';

describe('arguments of a command', () => {
  test.each([
    ['gerrit query  --format=JSON\tx', ['gerrit', 'query', '--format=JSON', 'x']],
    ["git-upload-pack '/openstack/cinder'", ['git-upload-pack', '/openstack/cinder']],
    [`-m "it's" 'say "hi"'`, ['-m', "it's", 'say "hi"']],
    [`a\\ b 'c\\d' "e\\"f" g\\`, ['a b', 'c\\d', 'e"f', 'g\\']],
    [`"" '' x`, ['x']],
    [
      '$(id) `id` ; rm -rf / | x > y && z',
      ['$(id)', '`id`', ';', 'rm', '-rf', '/', '|', 'x', '>', 'y', '&&', 'z'],
    ],
    ['', []],
  ])('%s', (line, words) => expect(splitArguments(line)).toEqual(words));
});

describe('options', () => {
  const specs = [
    { name: '--message', aliases: ['-m'], takesValue: true },
    { name: '--json', aliases: ['-j'], takesValue: false },
  ];

  test('with values, abbreviated, and operands among them', () => {
    const { options, operands } = parseOptions(['-m', 'a', '1,2', '--message=b=c', '-j', '--', '-x'], specs);
    expect([...options]).toEqual([
      ['--message', ['a', 'b=c']],
      ['--json', ['true']],
    ]);
    expect(operands).toEqual(['1,2', '-x']);
  });

  test('that are unknown, or have no value', () => {
    expect(() => parseOptions(['--strict-labels'], specs)).toThrow(
      new UsageError('"--strict-labels" is not a valid option'),
    );
    expect(() => parseOptions(['-age:1h'], specs)).toThrow('"-age:1h" is not a valid option');
    expect(() => parseOptions(['-m'], specs)).toThrow('Option "-m" takes an operand');
  });
});
