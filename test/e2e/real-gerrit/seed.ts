/**
 * The contents of a fresh real Gerrit: people, CI accounts with and without permissions, the label Verified, and
 * projects. The embedded Gerrit of the tests has the same accounts, so that one suite runs on both.
 */
import type { GerritRest } from './rest.ts';

/** The REST password of every account; the server listens only on loopback. */
export const PASSWORD = 'secret';

export interface SeedAccount {
  readonly username: string;
  readonly name: string;
  readonly groups: readonly string[];
}

/** Gerrit's own group, whose members may read the event stream. */
const STREAM = 'Service Users';
/** Group that may vote Verified from -1 to +1. */
const THIRD_PARTY = 'Third-Party CI';
/** Group that may vote Verified from -2 to +2. */
const GATE = 'Gate';

export const SEED_ACCOUNTS: readonly SeedAccount[] = [
  { username: 'acme-ci', name: 'Acme CI', groups: [STREAM, THIRD_PARTY] },
  { username: 'zuul', name: 'Zuul', groups: [STREAM, GATE] },
  { username: 'dev', name: 'Dee Veloper', groups: [] },
  { username: 'deaf-ci', name: 'Deaf CI', groups: [THIRD_PARTY] },
  { username: 'mute-ci', name: 'Mute CI', groups: [STREAM] },
];

export const SEED_PROJECTS = ['openstack/cinder', 'openstack/nova', 'sandbox'] as const;

const LABEL = {
  function: 'NoBlock',
  values: { '-2': 'Fails', '-1': 'Fails', '0': 'No score', '+1': 'Works', '+2': 'Works' },
  copy_condition: 'changekind:NO_CODE_CHANGE',
};

/** Change it whenever this file seeds something else, so that an older cached site is not used. */
export const SEED_NAME = 'seed-3';

/** `publicKey` gives an account's SSH key as one line. */
export async function seed(admin: GerritRest, publicKey: (username: string) => string): Promise<void> {
  await admin.send('accounts/self/sshkeys', publicKey('admin'));
  await admin.put(`groups/${encodeURIComponent(THIRD_PARTY)}`, {});
  await admin.put(`groups/${GATE}`, {});
  for (const { username, name, groups } of SEED_ACCOUNTS) {
    await admin.put(`accounts/${username}`, {
      name,
      email: `${username}@example.org`,
      ssh_key: publicKey(username),
      http_password: PASSWORD,
      groups,
    });
  }
  await admin.put('projects/All-Projects/labels/Verified', LABEL);
  const vote = (range: number): object => ({ action: 'ALLOW', min: -range, max: range });
  const rules = { [THIRD_PARTY]: vote(1), [GATE]: vote(2) };
  const administrators = { rules: { Administrators: { action: 'ALLOW' } } };
  const permissions = {
    'label-Verified': { label: 'Verified', rules },
    // The first commit of a branch is pushed without review.
    create: administrators,
    push: administrators,
  };
  await admin.post('projects/All-Projects/access', { add: { 'refs/heads/*': { permissions } } });
  for (const project of SEED_PROJECTS) {
    await admin.put(`projects/${encodeURIComponent(project)}`, {
      create_empty_commit: true,
      branches: ['master'],
    });
  }
}
