/** A Gerrit's state with one open change of two patchsets and its users, without any network. */
import {
  type ChangeRecord,
  changeRef,
  type GerritAccount,
  GerritState,
} from '../../../src/demo/gerrit/state.ts';

export interface Example {
  readonly site: GerritState;
  readonly change: ChangeRecord;
  readonly dev: GerritAccount;
  readonly ci: GerritAccount;
  readonly admin: GerritAccount;
  /** Types of the events so far. */
  readonly types: string[];
}

export function exampleSite(): Example {
  const both = { min: -2, max: 2 };
  const site = new GerritState([
    { name: 'Verified', ...both },
    { name: 'Code-Review', ...both },
  ]);
  const dev = account('dev', { 'Code-Review': [-1, 1] });
  const ci = account('ci', { Verified: [-2, 2], 'Code-Review': [-1, 1] });
  const admin: GerritAccount = { ...account('admin', { 'Code-Review': [-2, 2] }), admin: true };
  for (const account of [dev, ci, admin]) site.accounts.set(account.username, account);
  const change = addChange(site, dev, 'openstack/cinder', 2);
  const types: string[] = [];
  site.listen((event) => types.push(event.type));
  return { site, change, dev, ci, admin, types };
}

export function addChange(
  site: GerritState,
  owner: GerritAccount,
  project: string,
  patchsets = 1,
): ChangeRecord {
  const number = site.changes.size + 1;
  const change: ChangeRecord = {
    number,
    project,
    branch: 'master',
    id: `I${String(number).repeat(40).slice(0, 40)}`,
    owner,
    createdOn: site.now(),
    patchsets: [],
    messages: [],
    comments: [],
    commitMessage: `Change <${number}>\n\nChange-Id: I${number}\n`,
    lastUpdated: site.now(),
    topic: '',
    hashtags: [],
    status: 'NEW',
    wip: false,
    isPrivate: false,
    meta: 'a'.repeat(40),
  };
  for (let patchset = 1; patchset <= patchsets; patchset += 1) {
    change.patchsets.push({
      number: patchset,
      revision: `${number}${patchset}f`.repeat(14).slice(0, 40),
      parents: ['b'.repeat(40)],
      ref: changeRef(number, patchset),
      uploader: owner,
      author: owner,
      createdOn: site.now(),
      kind: 'REWORK',
      insertions: 8,
      deletions: 1,
      files: [],
      votes: new Map(),
    });
  }
  site.changes.set(number, change);
  return change;
}

function account(username: string, labels: GerritAccount['labels']): GerritAccount {
  const email = `${username}@example.org`;
  return { username, name: username, email, publicKeys: [], mayStream: true, labels, admin: false };
}
