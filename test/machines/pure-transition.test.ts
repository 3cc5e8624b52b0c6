/** Our transition, which uses one actor for all steps, compared with xstate's, which creates one for each step. */
import { describe, expect, test } from 'vitest';
import { transition } from 'xstate';
import { canonicalJson } from '../../src/machines/protocol/canonical-json.ts';
import { pureTransition } from '../../src/machines/pure-transition.ts';
import { rowText, step } from '../../src/machines/step.ts';
import { versionOf } from '../../src/machines/versions.ts';
import { sha256 } from './simulator.ts';
import { stories } from './stories.ts';

describe.each(Object.entries(stories))('%s', (_, send) => {
  const simulator = send();

  test('gives the same result as xstate’s transition for each row', () => {
    for (const rows of simulator.rows.values()) {
      let before: ReturnType<typeof step>['stored'] | null = null;
      for (const row of rows) {
        const event = { ...row.data, type: row.type } as never;
        if (before !== null && row.outcome !== 'late') {
          const { machine } = versionOf(row);
          const input = { ...(event as object), at: row.at, settles: row.settles, pending: [] } as never;
          const snapshot = machine.resolveState({ value: before.value, context: before.context } as never);
          const [theirs, asked] = transition(machine, snapshot as never, input);
          const [ours, actions] = pureTransition(machine, snapshot as never, input);
          expect(ours.value).toEqual(theirs.value);
          expect(canonicalJson(ours.context)).toBe(canonicalJson(theirs.context));
          expect(actions.map(plain)).toEqual(asked.map(plain));
        }
        before = step(before, { ...row, event }, sha256).stored;
      }
    }
  });

  test('has rows in canonical text', () => {
    for (const { hash, ...row } of simulator.log) {
      const texts = { data: canonicalJson(row.data), effects: row.effects.map((it) => canonicalJson(it)) };
      expect(rowText(row, texts)).toBe(canonicalJson(row));
    }
  });
});

function plain({ type, params }: { readonly type: string; readonly params?: unknown }) {
  return { type, params };
}
