/**
 * Our reader of TAP compared with the two common ones: prove (TAP::Parser, part of Perl) and tap-parser. A failure
 * for one of them is never a success for us, and a success for both is one, except where the corpus explains the
 * difference.
 */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { readTap } from '../../../src/adapters/results/tap.ts';
import { judgeTesting } from '../../../src/machines/model/judge-testing.ts';
import { needs } from '../../fixtures/needs.ts';
import { CORPUS } from './tap-corpus.ts';

const CASES = Object.entries(CORPUS);

async function judge(text: string) {
  async function* chunks() {
    yield Buffer.from(text);
  }
  const read = await readTap(chunks());
  const [results, unreadable] = 'unreadable' in read ? [null, read.unreadable] : [read, ''];
  const spec = { results: { format: 'tap', file: 'results.tap' }, exitCodeIsResult: false } as const;
  const { verdict } = judgeTesting({ how: 'exited', code: 0 }, results, unreadable, spec);
  return { verdict, failures: results?.failures ?? [] };
}

test('the corpus is large enough', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(70);
});

test.each(CASES)('%s', async (_name, { text, verdict, failures = [] }) => {
  expect(await judge(text)).toEqual({ verdict, failures });
});

/** Whether each file passes, in the order of the corpus. */
type Answers = readonly boolean[];

const PERL = `use TAP::Parser; use JSON::PP; local $/; my @good;
for my $text (@{ decode_json(<STDIN>) }) {
  my $parser = TAP::Parser->new({ tap => $text eq '' ? "\\n" : $text });
  $parser->run;
  push @good, $parser->has_problems ? JSON::PP::false : JSON::PP::true;
}
print encode_json(\\@good);`;

function askProve(): Answers | null {
  if (spawnSync('perl', ['-MTAP::Parser', '-MJSON::PP', '-e', '1']).status !== 0) return null;
  const input = JSON.stringify(CASES.map(([, { text }]) => text));
  const done = spawnSync('perl', ['-e', PERL], { input, encoding: 'utf8', timeout: 60_000 });
  if (done.status !== 0) throw new Error(done.stderr);
  return JSON.parse(done.stdout) as boolean[];
}

interface Parser {
  readonly ok: boolean;
  end(text: string): void;
}

/** Not a literal, so that the code compiles if the package is not installed. */
const TAP_PARSER: string = 'tap-parser';

async function askTapParser(): Promise<Answers | null> {
  const found = (await import(TAP_PARSER).catch(() => null)) as { Parser: new () => Parser } | null;
  if (found === null) return null;
  return CASES.map(([, { text }]) => {
    const parser = new found.Parser();
    parser.end(text);
    return parser.ok;
  });
}

needs('prove').test('prove and tap-parser agree', async (context) => {
  const [prove, tapParser] = [askProve(), await askTapParser()];
  if (prove === null) return context.skip('perl has no TAP::Parser here');
  if (tapParser === null) return context.skip('tap-parser is not installed here');
  const unexplained = CASES.flatMap(([name, { verdict, differs }], index) => {
    const others = { prove: prove[index], tapParser: tapParser[index] };
    // A failure in one of them is enough.
    const expected = others.prove && others.tapParser ? 'SUCCESS' : 'FAILURE';
    return (verdict === expected) === (differs === undefined) ? [] : [{ name, verdict, differs, others }];
  });
  expect(unexplained).toEqual([]);
});
