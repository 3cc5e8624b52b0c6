import { afterEach, beforeEach, expect, test } from 'vitest';
import { lookUpPatchset } from '../../../../src/adapters/gerrit/changes/patchset-lookup.ts';
import { GerritModel } from '../../../fakes/gerrit-model.ts';
import { SshServer } from '../../../fakes/ssh-server.ts';
import { keys, patchset, realClock, Site } from '../site.ts';

const fourth = { ...patchset, patchset: 4, revision: '1'.repeat(40), ref: 'refs/changes/45/912345/4' };
let site: Site;
let server: SshServer;

beforeEach(async () => {
  site = new Site();
  server = await SshServer.start([keys.ed25519.private]);
  const gerrit = new GerritModel(server);
  gerrit.addPatchset(patchset);
  gerrit.addPatchset(fourth);
});
afterEach(async () => {
  await server.close();
  site.remove();
});

const lookUp = (change: number, number: number | null) =>
  lookUpPatchset(site.options(server.port), realClock, change, number);

test('finds the current patchset, and any by its number', async () => {
  expect(await lookUp(912345, null)).toEqual(fourth);
  expect(await lookUp(912345, 3)).toEqual(patchset);
});

test('returns null for what Gerrit does not show', async () => {
  expect(await lookUp(912345, 9)).toBeNull();
  expect(await lookUp(1, null)).toBeNull();
});

test('rejects an unusable answer, and closes the connection', async () => {
  server.answer('gerrit query', `${JSON.stringify({ project: '-x', number: 912345 })}\n{"type":"stats"}\n`);
  await expect(lookUp(912345, null)).rejects.toMatchObject({ operation: 'query change', retryable: false });
  await server.until(() => server.open === 0);
});
