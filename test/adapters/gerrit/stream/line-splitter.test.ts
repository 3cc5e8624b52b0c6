import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  changeOfMetaRef,
  isMetaRefUpdate,
  type Line,
  LineSplitter,
} from '../../../../src/adapters/gerrit/stream/line-splitter.ts';
import { runs } from '../../../fixtures/effort.ts';

function split(chunks: readonly string[], limit = 1_000): { lines: Line[]; rest: Line | null } {
  const splitter = new LineSplitter(limit);
  const lines = chunks.flatMap((chunk) => splitter.push(Buffer.from(chunk)));
  return { lines, rest: splitter.end() };
}
const texts = (lines: readonly Line[]) =>
  lines.map((line) => (Buffer.isBuffer(line) ? line.toString() : `overlong ${line.bytes}`));

describe('the line splitter', () => {
  test('splits at line ends wherever the chunks end', () => {
    expect(texts(split(['a\nb', 'c\n', '\n', 'd', 'e', '\nf\n']).lines)).toEqual(['a', 'bc', '', 'de', 'f']);
  });

  test('keeps an unfinished line for the end', () => {
    const { lines, rest } = split(['a\nunfin', 'ished']);
    expect(texts(lines)).toEqual(['a']);
    expect(rest?.toString()).toBe('unfinished');
    expect(split(['a\n']).rest).toBeNull();
  });

  test('keeps a line at the limit; one that is a byte longer is skipped, with its length and its beginning', () => {
    const { lines } = split(['0123456789\n', '01234567890\n', 'next\n'], 10);
    expect(texts(lines)).toEqual(['0123456789', 'overlong 11', 'next']);
    expect((lines[1] as { start: Buffer }).start.toString()).toBe('01234567890');
  });

  test('does not buffer an overlong line', () => {
    const splitter = new LineSplitter(1_000);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    for (let count = 0; count < 1_000; count++) expect(splitter.push(chunk)).toEqual([]);
    const [line] = splitter.push(Buffer.from('\n'));
    expect(line).toMatchObject({ bytes: 64 * 1024 * 1_000 });
    expect((line as { start: Buffer }).start.length).toBe(1_024);
  });

  test('returns any bytes unchanged, wherever they are split', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(200), { maxLength: 10 }), (array, cuts) => {
        const whole = Buffer.from(array.map((byte) => (byte % 5 === 0 ? 10 : byte)));
        const splitter = new LineSplitter(1_000);
        const edges = [
          0,
          ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b),
          whole.length,
        ];
        const lines = edges
          .slice(1)
          .flatMap((edge, index) => splitter.push(whole.subarray(edges[index], edge)));
        const rest = splitter.end();
        const joined = [...lines, rest ?? Buffer.alloc(0)].map((line) => (line as Buffer).toString('latin1'));
        expect(joined.join('\n')).toBe(whole.toString('latin1'));
      }),
    );
  });
});

const META = {
  submitter: { name: 'dev' },
  refUpdate: { oldRev: '0', newRev: '1', refName: 'refs/changes/01/1/meta', project: 'p' },
  type: 'ref-updated',
  eventCreatedOn: 1795354791,
};

describe('isMetaRefUpdate', () => {
  const is = (event: object | string) =>
    isMetaRefUpdate(Buffer.from(typeof event === 'string' ? event : JSON.stringify(event)));

  test('accepts what Gerrit sends', () => {
    expect(is(META)).toBe(true);
    expect(is(`${JSON.stringify(META)}\r`)).toBe(true);
    expect(is({ type: 'ref-updated', refUpdate: META.refUpdate, eventCreatedOn: 1 })).toBe(true);
    const { eventCreatedOn: _, ...timeless } = META;
    expect(is(timeless)).toBe(true);
  });

  test('ignores other refs', () => {
    const refs = [
      'refs/changes/01/1/2',
      'refs/heads/meta',
      'refs/changes/01/1/meta/x',
      'refs/changes/meta',
      'refs/heads/x/meta',
    ];
    for (const refName of refs)
      expect(is({ ...META, refUpdate: { ...META.refUpdate, refName } }), refName).toBe(false);
  });

  test('ignores every other event that contains all these words', () => {
    const words = JSON.stringify(META);
    const hostile = [
      { type: 'comment-added', comment: words, eventCreatedOn: 1 },
      { comment: `${words.slice(0, -1)},"type":"ref-updated"}`, type: 'comment-added' },
      { refUpdate: META.refUpdate, approvals: [{ type: 'ref-updated', value: '1' }], type: 'comment-added' },
      { ...META, type: 'batch-ref-updated' },
      { refUpdate: META.refUpdate, type: 'comment-added', inner: { type: 'ref-updated', eventCreatedOn: 1 } },
      { type: 'comment-added', x: { ...META } },
      {
        type: 'comment-added',
        comment: ',"type":"ref-updated","eventCreatedOn":1}',
        refUpdate: META.refUpdate,
      },
      { 'a,"type': 'ref-updated', refUpdate: META.refUpdate },
    ];
    for (const event of hostile) expect(is(event), JSON.stringify(event)).toBe(false);
  });

  test('never accepts a JSON object of another type', () => {
    const piece = fc.constantFrom(
      'type',
      'ref-updated',
      '"type":"ref-updated"',
      ',"type":"ref-updated","eventCreatedOn":1}',
      '"refName":"refs/changes/01/1/meta"',
      'refs/changes/01/1/meta',
      'refName',
      '/meta"',
      'comment-added',
      '\\"',
    );
    const value = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        piece,
        tie('object'),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.integer(),
      ),
      object: fc.dictionary(piece, tie('value'), { maxKeys: 4 }),
    }));
    fc.assert(
      fc.property(value.object, (object) => {
        const accepted = is(object as object);
        if (accepted) expect((object as { type?: unknown }).type).toBe('ref-updated');
      }),
      { numRuns: runs(5_000) },
    );
  });
});

test('returns the change of a meta ref, and null for another', () => {
  const of = (refName: string) => {
    const event = { ...META, refUpdate: { ...META.refUpdate, refName } };
    return changeOfMetaRef(Buffer.from(JSON.stringify(event)));
  };
  expect(of('refs/changes/01/1/meta')).toBe(1);
  expect(of('refs/changes/45/912345/meta')).toBe(912345);
  for (const odd of ['refs/changes/01/x/meta', 'refs/changes/01/12345678901/meta', 'refs/changes/01//meta'])
    expect(of(odd), odd).toBe(null);
});
