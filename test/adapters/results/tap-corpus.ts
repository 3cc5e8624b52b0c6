/** TAP files of every kind, and the verdict for a test stage that exited with 0 and left one of them. */
export interface TapCase {
  readonly text: string;
  readonly verdict: 'SUCCESS' | 'FAILURE' | 'POST_FAILURE';
  /** Default: none. */
  readonly failures?: readonly string[];
  /** Why the verdict differs from that of `prove` and tap-parser. */
  readonly differs?: string;
}

const CUT = 'a truncated file proves nothing about the patch, so there is no result and no vote';
const NOTHING_RUN = 'a success needs at least one test that was run';
const TAP_14 = 'prove supports neither subtests nor the rest of TAP 14';
const BAIL = 'the tests report that they cannot continue, often because of their environment';
const TWICE = 'node 20 numbers files without tests separately, even in successful runs';
const EXCUSED = 'in TAP 14 a failing SKIP is not a failure, but prove counts it as one';
const PARENT = 'a TODO covers its subtests';

export const CORPUS: Readonly<Record<string, TapCase>> = {
  // Basic files.
  'plan first': { text: '1..2\nok 1 - a\nok 2 - b\n', verdict: 'SUCCESS' },
  'plan last': { text: 'ok 1 - a\nok 2 - b\n1..2\n', verdict: 'SUCCESS' },
  'version 13': { text: 'TAP version 13\n1..1\nok 1 - a\n', verdict: 'SUCCESS' },
  'version 14': { text: 'TAP version 14\n1..1\nok 1 - a\n', verdict: 'SUCCESS', differs: TAP_14 },
  'no numbers': { text: '1..2\nok - a\nok - b\n', verdict: 'SUCCESS' },
  'no names': { text: '1..2\nok\nok\n', verdict: 'SUCCESS' },
  'Windows line ends': { text: '1..1\r\nok 1 - a\r\n', verdict: 'SUCCESS' },
  'no last line end': { text: '1..1\nok 1 - a', verdict: 'SUCCESS' },
  'comments and noise': { text: '# hello\nhello\n1..1\n\nok 1 - a\nokay\nnotok\n', verdict: 'SUCCESS' },
  'a comment after the plan': { text: 'ok 1\n1..1\n# tests 1\n', verdict: 'SUCCESS' },
  'one failure': { text: '1..2\nok 1 - a\nnot ok 2 - b\n', verdict: 'FAILURE', failures: ['b'] },
  'a failure without a name': { text: '1..1\nnot ok\n', verdict: 'FAILURE', failures: ['test 1'] },
  'a number and no name': { text: '1..2\nok 1\nnot ok 2\n', verdict: 'FAILURE', failures: ['test 2'] },
  'all failed': { text: '1..2\nnot ok 1 - a\nnot ok 2 - b\n', verdict: 'FAILURE', failures: ['a', 'b'] },
  'a colon after not ok': { text: '1..1\nnot ok: a\n', verdict: 'FAILURE', failures: [': a'] },
  'a name with a hash': {
    text: '1..1\nnot ok 1 - a \\# TODO b\n',
    verdict: 'FAILURE',
    failures: ['a # TODO b'],
  },
  'a name with a number': { text: '1..1\nnot ok 1 2nd try\n', verdict: 'FAILURE', failures: ['2nd try'] },
  'an empty file': { text: '', verdict: 'POST_FAILURE', differs: NOTHING_RUN },
  'no TAP at all': { text: '<html>\n<p>ok</p>\n', verdict: 'POST_FAILURE', differs: NOTHING_RUN },
  'a skipped suite': { text: '1..0 # SKIP no driver\n', verdict: 'POST_FAILURE', differs: NOTHING_RUN },

  // Directives.
  'todo failed': { text: '1..2\nok 1\nnot ok 2 - b # TODO later\n', verdict: 'SUCCESS' },
  'todo in lower case': { text: '1..2\nok 1\nnot ok 2 - b # todo\n', verdict: 'SUCCESS' },
  'todo with a colon': { text: '1..2\nok 1\nnot ok 2 - b # TODO: later\n', verdict: 'SUCCESS' },
  'todo without a space': { text: '1..2\nok 1\nnot ok 2 - b #TODO later\n', verdict: 'SUCCESS' },
  'todo passed': { text: '1..2\nok 1\nok 2 - b # TODO later\n', verdict: 'SUCCESS' },
  'skip passed': { text: '1..2\nok 1\nok 2 - b # SKIP no disk\n', verdict: 'SUCCESS' },
  'skip failed': { text: '1..2\nok 1\nnot ok 2 - b # SKIP no disk\n', verdict: 'SUCCESS', differs: EXCUSED },
  'all skipped': { text: '1..1\nok 1 - a # SKIP no disk\n', verdict: 'POST_FAILURE', differs: NOTHING_RUN },
  'all skipped in words': {
    text: '1..1\nok 1 - a # Skipped: no disk\n',
    verdict: 'POST_FAILURE',
    differs: NOTHING_RUN,
  },
  'a word that begins with todo': {
    text: '1..2\nok 1\nnot ok 2 - lists # todos\n',
    verdict: 'FAILURE',
    failures: ['lists # todos'],
  },
  'a word that begins with skip': {
    text: '1..2\nok 1\nnot ok 2 - counts # skipped-tests\n',
    verdict: 'FAILURE',
    failures: ['counts # skipped-tests'],
  },
  'skipped, in words, and failed': {
    text: '1..2\nok 1\nnot ok 2 - a # Skipped: no disk\n',
    verdict: 'FAILURE',
    failures: ['a # Skipped: no disk'],
  },
  'a directive in the middle of a word': {
    text: '1..2\nok 1\nnot ok 2 - issue#todo list\n',
    verdict: 'FAILURE',
    failures: ['issue#todo list'],
  },

  // Numbers and plans.
  'a number twice': { text: '1..3\nok 1 - a\nok 2 - b\nok 2 - c\n', verdict: 'POST_FAILURE', differs: TWICE },
  'a number twice, and a failure': {
    text: '1..3\nok 1 - a\nok 2 - b\nnot ok 2 - c\n',
    verdict: 'FAILURE',
    failures: ['c'],
  },
  'a number twice, and a failure later': {
    text: '1..4\nok 1 - a\nok 2 - b\nok 2 - c\nnot ok 4 - d\n',
    verdict: 'FAILURE',
    failures: ['d'],
  },
  'the first number twice, once implicitly': {
    text: '1..2\nok\nok 1\n',
    verdict: 'POST_FAILURE',
    differs: TWICE,
  },
  'number 0': { text: '1..2\nok 0 - a\nok 1 - b\n', verdict: 'FAILURE', failures: ['a (number 0)'] },
  'number 0, plan last': {
    text: 'ok 0 - a\nok 1 - b\n1..2\n',
    verdict: 'FAILURE',
    failures: ['a (number 0)'],
  },
  'a number past the plan': {
    text: '1..2\nok 1 - a\nok 3 - b\n',
    verdict: 'FAILURE',
    failures: ['b (number 3, planned 1..2)'],
  },
  'a number past the last plan': {
    text: 'ok 1 - a\nok 3 - b\n1..2\n',
    verdict: 'FAILURE',
    failures: ['b (number 3, planned 1..2)'],
  },
  'a number out of all bounds': {
    text: '1..2\nok 1 - a\nok 99999999999999999999 - b\n',
    verdict: 'FAILURE',
    failures: ['b (number 100000000000000000000, planned 1..2)'],
  },
  'another order': {
    text: '1..3\nok 2\nok 1\nok 3\n',
    verdict: 'SUCCESS',
    differs: 'TAP 14 allows any order',
  },
  'too many tests': {
    text: '1..1\nok 1 - a\nok 2 - b\n',
    verdict: 'FAILURE',
    failures: ['b (number 2, planned 1..1)'],
  },
  'too few tests': { text: '1..3\nok 1\nok 2\n', verdict: 'POST_FAILURE', differs: CUT },
  'too few tests, one failed': { text: '1..3\nok 1\nnot ok 2 - b\n', verdict: 'FAILURE', failures: ['b'] },
  'no plan': { text: 'ok 1\nok 2\n', verdict: 'POST_FAILURE', differs: CUT },
  'no plan, and a failure': { text: 'ok 1\nnot ok 2 - b\n', verdict: 'FAILURE', failures: ['b'] },
  'a plan in the middle': {
    text: 'ok 1 - a\n1..2\nok 2 - b\n',
    verdict: 'FAILURE',
    failures: ['b (after the plan)'],
  },
  'a plan in the middle, and a failure': {
    text: 'ok 1 - a\n1..2\nnot ok 2 - b\n',
    verdict: 'FAILURE',
    failures: ['b'],
  },
  'two plans': { text: '1..1\nok 1 - a\n1..1\n', verdict: 'FAILURE', failures: ['there is a second plan'] },
  'two files in one': {
    text: '1..1\nok 1 - a\n1..1\nok 1 - a\n',
    verdict: 'FAILURE',
    failures: ['there is a second plan'],
  },
  'a plan and no tests': { text: '1..2\n', verdict: 'POST_FAILURE', differs: CUT },
  'a bail out': { text: '1..2\nok 1\nBail out! no disk\n', verdict: 'POST_FAILURE', differs: BAIL },
  'a bail out after a failure': {
    text: '1..2\nnot ok 1 - a\nBail out! no disk\n',
    verdict: 'FAILURE',
    failures: ['a'],
  },
  'strict, and noise': {
    text: 'TAP version 13\npragma +strict\n1..1\nok 1\nnoise\n',
    verdict: 'FAILURE',
    failures: ['line 5 is not TAP'],
  },
  'strict, and comments': { text: 'TAP version 13\npragma +strict\n1..1\n# a\nok 1\n', verdict: 'SUCCESS' },

  // Details of tests.
  YAML: { text: 'TAP version 13\n1..1\nok 1\n  ---\n  a: 1\n  ...\n', verdict: 'SUCCESS' },
  'YAML with TAP in it': {
    text: 'TAP version 13\n1..1\nok 1\n  ---\n  a: |\n    not ok 1\n  ...\n',
    verdict: 'SUCCESS',
  },
  'YAML that does not end, and a failure': {
    text: 'TAP version 13\n1..2\nok 1 - a\n  ---\n  a: 1\nnot ok 2 - b\n',
    verdict: 'FAILURE',
    failures: ['b'],
  },
  'YAML around a failure': {
    text: 'TAP version 13\n1..1\nok 1 - a\n  ---\n  a: 1\nnot ok 2 - b\n  ...\n',
    verdict: 'FAILURE',
    failures: ['b'],
  },
  'YAML that ends the file': {
    text: 'TAP version 13\n1..1\nok 1 - a\n  ---\n  a: 1\n',
    verdict: 'POST_FAILURE',
    differs: CUT,
  },

  // Subtests.
  'a subtest': { text: '1..1\n    1..1\n    ok 1 - in\nok 1 - a\n', verdict: 'SUCCESS' },
  'a failure in a subtest': {
    text: '1..1\n    1..1\n    not ok 1 - in\nnot ok 1 - a\n',
    verdict: 'FAILURE',
    failures: ['a > in'],
  },
  'a failure in a subtest of a test that passed': {
    text: '1..1\n    1..1\n    not ok 1 - in\nok 1 - a\n',
    verdict: 'FAILURE',
    failures: ['a > in'],
  },
  'a failure in a subtest of a todo': {
    text: '1..2\nok 1\n    1..1\n    not ok 1 - in\nnot ok 2 - a # TODO\n',
    verdict: 'SUCCESS',
    differs: PARENT,
  },
  'a number twice in a subtest': {
    text: '1..1\n    1..2\n    ok 1 - in\n    ok 1 - also\nok 1 - a\n',
    verdict: 'POST_FAILURE',
    differs: TWICE,
  },
  'number 0 in a subtest': {
    text: '1..1\n    1..1\n    ok 0 - in\nok 1 - a\n',
    verdict: 'FAILURE',
    failures: ['a > in (number 0)'],
  },
  'a plan in the middle of a subtest': {
    text: '1..1\n    ok 1 - in\n    1..2\n    ok 2 - also\nok 1 - a\n',
    verdict: 'FAILURE',
    failures: ['a > also (after the plan)'],
  },
  'too few tests in a subtest, and a failure later': {
    text: '1..2\n    1..2\n    ok 1 - in\nok 1 - a\nnot ok 2 - b\n',
    verdict: 'FAILURE',
    failures: ['b'],
  },
  'subtests without their test': {
    text: 'ok 1 - a\n    1..1\n    not ok 1 - in\n1..1\n',
    verdict: 'FAILURE',
    failures: ['in'],
  },
  'a buffered subtest': { text: '1..1\nok 1 - a {\n    1..1\n    ok 1 - in\n}\n', verdict: 'SUCCESS' },
  'a buffered subtest that failed, and the next test': {
    text: '1..2\nnot ok 1 - a {\n    1..1\n    not ok 1 - in\n}\nok 2 - b\n',
    verdict: 'FAILURE',
    failures: ['a > in'],
  },
  'buffered subtests, all failed': {
    text: '1..2\nnot ok 1 - a {\n    1..1\n    not ok 1 - in\n}\nnot ok 2 - b {\n    1..1\n    not ok 1 - in\n}\n',
    verdict: 'FAILURE',
    failures: ['a > in', 'b > in'],
  },
  'buffered subtests in buffered subtests': {
    text: '1..1\nnot ok 1 - a {\n    1..2\n    not ok 1 - b {\n        1..1\n        not ok 1 - in\n    }\n    ok 2 - c\n}\n',
    verdict: 'FAILURE',
    failures: ['a > b > in'],
  },
  'a buffered subtest after details': {
    text: 'TAP version 13\n1..1\nnot ok 1 - a\n  ---\n  a: 1\n  ...\n{\n    1..1\n    not ok 1 - in\n}\n',
    verdict: 'FAILURE',
    failures: ['a > in'],
  },
  'a buffered todo': {
    text: '1..2\nok 1\nnot ok 2 - a # TODO later {\n    1..1\n    not ok 1 - in\n}\n',
    verdict: 'SUCCESS',
    differs: PARENT,
  },
  'an empty buffered subtest': { text: '1..1\nok 1 - a {\n}\n', verdict: 'SUCCESS' },
  'a buffered subtest that failed without a failed test': {
    text: '1..1\nnot ok 1 - a {\n    1..1\n    ok 1 - in\n}\n',
    verdict: 'FAILURE',
    failures: ['a'],
  },
  'a name that ends with a brace': {
    text: '1..2\nnot ok 1 - parses {\nok 2 - b\n',
    verdict: 'FAILURE',
    failures: ['parses {'],
  },
  'a buffered subtest without its end': {
    text: '1..2\nok 1 - a {\n    1..1\n    ok 1 - in\nok 2 - b\n',
    verdict: 'POST_FAILURE',
    differs: CUT,
  },
  'a buffered subtest that ends the file': {
    text: '1..1\nok 1 - a {\n    1..1\n    ok 1 - in\n',
    verdict: 'POST_FAILURE',
    differs: CUT,
  },
};
