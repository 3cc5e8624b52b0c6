/** Events of one change as Gerrit streams them, as JSON that a test may alter. */
export const DEV = { username: 'dev', name: 'Dev', email: 'dev@example.org' };
export const change = {
  project: 'openstack/cinder',
  branch: 'master',
  number: 912345,
  subject: 'Acme: retry the login',
  owner: DEV,
  url: 'https://review.example.org/c/openstack/cinder/+/912345',
  topic: 'acme',
  hashtags: ['acme'],
};
export const patchSet = {
  number: 3,
  revision: 'e990e77e529ece659c65c7f24372813f69acce8b',
  ref: 'refs/changes/45/912345/3',
  kind: 'REWORK',
  author: { name: 'Dev', email: 'dev@example.org' },
};
export const created = {
  type: 'patchset-created',
  change,
  patchSet,
  uploader: change.owner,
  eventCreatedOn: 1795354825,
};
export const comment = {
  type: 'comment-added',
  change,
  patchSet,
  author: { username: 'zuul' },
  comment: 'Patch Set 3: Verified+1\n\nBuild succeeded (check pipeline).',
  approvals: [
    { type: 'Verified', description: 'Verified', value: '1', oldValue: '0' },
    { type: 'Code-Review', description: 'Code-Review', value: '0' },
  ],
  eventCreatedOn: 1795354826,
};
