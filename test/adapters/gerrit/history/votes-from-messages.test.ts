import { describe, expect, test } from 'vitest';
import { votesInMessages } from '../../../../src/adapters/gerrit/history/votes-from-messages.ts';

describe('votes computed from messages', () => {
  test.each([
    [[], {}],
    [['Patch Set 3: Verified+1\n\nBuild succeeded'], { Verified: 1 }],
    [['Patch Set 3: Verified+1 Code-Review-2'], { Verified: 1, 'Code-Review': -2 }],
    [
      ['Patch Set 3: Verified+1', 'Patch Set 3:\n\nsaid again', 'Patch Set 3: Verified-1\n\nx'],
      { Verified: -1 },
    ],
    [['Patch Set 3: Verified+1', 'Patch Set 3: -Verified'], {}],
    [['Uploaded patch set 3.', 'said: Patch Set 3: Verified+1', 'Patch Set x: Verified+1'], {}],
    [['Patch Set 3:\n\nVerified+1 Verified-1'], {}],
    [['Patch Set 3: Workflow+1000 __proto__+1 +1 -'], {}],
  ])('%j is %j', (texts, votes) => {
    expect(votesInMessages(texts)).toEqual(votes);
  });
});
