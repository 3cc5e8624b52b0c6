/** Hostile texts in the database and on a terminal: stored unchanged, printed without control characters. */
import { describe, expect, test } from 'vitest';
import { oneLine } from '../../src/adapters/gerrit/json-schemas.ts';
import { openStore } from '../../src/adapters/sqlite/store.ts';
import { jobsCommand } from '../../src/cli/commands/jobs.ts';
import { dispatch, type Submission } from '../../src/engine/loop/dispatch.ts';
import { verifyLog } from '../../src/engine/operations/verify-log.ts';
import type { LogEntry } from '../../src/engine/ports/store.ts';
import type { Patchset } from '../../src/machines/model/domain.ts';
import { fakeIo } from '../fakes/io.ts';
import { LONG } from '../fixtures/effort.ts';
import { jobSpec, PATCHSET, START } from '../machines/facts.ts';
import { sha256 } from '../machines/simulator.ts';
import { HOSTILE_TEXTS, inBatches } from './strings.ts';

describe('hostile texts', () => {
  test(
    'as data of patchsets: the log stores them, its hashes are valid, and they cannot control a terminal',
    LONG,
    async () => {
      const [store, scratch] = [openStore(':memory:'), openStore(':memory:')];
      let change = 0;
      for (const texts of inBatches(HOSTILE_TEXTS, 500)) {
        const batch: LogEntry[] = [];
        for (const text of texts) {
          change += 1;
          dispatch(batch, accepted(change, text), {
            hash: sha256,
            now: () => START,
            stored: (history) => store.stored(history),
            wasRequested: (history, key) => store.wasRequested(history, key),
            strict: true,
          });
        }
        await store.append(batch);
      }
      expect(verifyLog(store, scratch, sha256)).toMatchObject({
        rows: HOSTILE_TEXTS.length,
        differences: [],
        views: [],
      });
      const io = fakeIo({ width: Number.POSITIVE_INFINITY });
      jobsCommand(io, store, { limit: 20_000 });
      const lines = io.stdout().split('\n');
      expect(lines).toHaveLength(1 + HOSTILE_TEXTS.length + 1);
      expect(io.stdout().replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
      const json = fakeIo();
      jobsCommand(json, store, { limit: 20_000, json: true });
      expect(json.stdout().replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e]/u);
      const subjects = JSON.parse(json.stdout()).jobs.map((job: { subject: string }) => job.subject);
      expect(subjects.reverse()).toEqual(HOSTILE_TEXTS.map((text) => patchsetOf(1, text).subject));
      store.close();
      scratch.close();
    },
  );
});

/** A patchset as an event delivers it: the subject is reduced to one line, all other texts are unchanged. */
function patchsetOf(change: number, text: string): Patchset {
  const subject = oneLine(text, 1_000);
  return { ...PATCHSET, change, project: text, branch: text, topic: text, owner: text, subject };
}

function accepted(change: number, text: string): Submission {
  const job = `j${String(change).padStart(5, '0')}`;
  const patchset = patchsetOf(change, text);
  return {
    history: job,
    startsOn: 'job@1',
    event: { type: 'job.accepted', job, review: 'r1', deployment: 'd', patchset, spec: jobSpec() },
    settles: null,
    causationId: null,
  };
}
