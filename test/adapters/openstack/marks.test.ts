/** The image and the flavor of a server, in its metadata. */
import { expect, test } from 'vitest';
import { objectText, parseObject } from '../../../src/adapters/openstack/marks.ts';

test('an image is found again, with a name that Nova can store', () => {
  const image = { id: '0a1b', name: 'Debian 12 (cloud)' };
  expect(parseObject(objectText(image))).toEqual(image);
  const text = objectText({ id: '0a1b', name: `a\n\u{1f600}b${'x'.repeat(300)}` });
  expect(text).toHaveLength(255);
  expect(parseObject(text)).toEqual({ id: '0a1b', name: `a??b${'x'.repeat(246)}` });
  expect([undefined, '', ' ', 'no-name'].map(parseObject)).toEqual([null, null, null, null]);
});
