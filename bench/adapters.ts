/** Adapters that succeed at once, or that never answer, so that only sos-ci's own work is measured. */
import type { Adapters, OwnedServer, Provider, RunHandle } from '../src/engine/ports/adapters.ts';
import type { Patchset, ResolvedChange } from '../src/machines/model/domain.ts';
import type { CurrentChange } from '../src/machines/model/gerrit-event.ts';

export interface InstantOptions {
  readonly slots: number;
  /** False: a stage runs forever. */
  readonly stagesEnd: boolean;
}

const BASE = 'b'.repeat(40);
const RESOLVED: ResolvedChange = {
  status: 'open',
  current: 1,
  wip: false,
  private: false,
  files: ['cinder/volume/manager.py'],
  votes: [],
  dependencies: [],
  trouble: null,
};

const NOTHING_MISSED = { since: 0, changes: 0, found: 0, ambiguous: [], unparsed: 0 };

/** Adapters that answer each call at once from memory. */
export function instantAdapters({ slots, stagesEnd }: InstantOptions): Adapters {
  const ended: RunHandle['ended'] = stagesEnd
    ? Promise.resolve({ how: 'exited', code: 0 })
    : new Promise(() => {});
  return {
    providers: new Map([['local', instantProvider(slots)]]),
    catchUp: { run: async () => NOTHING_MISSED },
    changes: { lookUp: async ({ patchset }) => ({ ...RESOLVED, current: patchset.patchset }) },
    merger: {
      merge: async ({ patchset: { project, branch, revision } }) => ({
        merged: true,
        trees: [{ project, branch, base: BASE, revision }],
      }),
      reviews: async () => [],
      drop: async () => {},
    },
    source: { fetch: async ({ patchset }) => patchset.revision },
    runner: {
      start: async () => ({ pid: 4242, adopted: false, ended, detach: () => {} }),
      stop: async () => {},
      readResults: async () => ({ passed: 1200, failed: 0, skipped: 40, failures: [] }),
    },
    janitors: {
      start: async () => ({ pid: 4242, adopted: false, ended, detach: () => {} }),
      stop: async () => {},
      lastLine: async () => null,
    },
    evidence: {
      collect: async () => ({ files: 12, bytes: 3_400_000, skipped: 0, url: 'https://logs.example.org/' }),
      publish: async ({ owner }) => `https://logs.example.org/45/912345/3/check/acme-dsvm/${owner.job}/`,
      lastLine: async () => null,
      held: async () => [],
      discard: async () => {},
      expire: async () => 0,
    },
    reviewer: {
      post: async ({ labels }) => ({
        posted: true,
        found: false,
        voted: Object.keys(labels).length > 0,
        why: '',
      }),
      readChangeState: async ({ patchset }) => ({ change: unchanged(patchset), vote: 0, kinds: [] }),
      readVotes: async () => ({ Verified: 1 }),
    },
    alarms: { raise: async () => {} },
    mailer: null,
    activeJobs: () => [],
    hide: (text) => text,
  };
}

function unchanged(patchset: Patchset): CurrentChange {
  const alice = { username: 'alice', name: '', email: '' };
  return {
    ...{ patchset, status: 'open', kind: 'REWORK', wip: false, private: false },
    ...{ uploader: alice, author: alice, hashtags: [], files: ['README'], votes: [] },
  };
}

/** Adapters that never answer, and no free slot: a history advances only through submissions. */
export function silentAdapters(): Adapters {
  const never = () => new Promise<never>(() => {});
  const provider = {
    name: 'local',
    slots: 0,
    create: never,
    list: never,
    delete: never,
    open: never,
    describe: never,
    whyGone: never,
  };
  return {
    providers: new Map([['local', provider]]),
    catchUp: { run: never },
    changes: { lookUp: never },
    merger: { merge: never, reviews: never, drop: never },
    source: { fetch: never },
    runner: { start: never, stop: never, readResults: never },
    janitors: { start: never, stop: never, lastLine: never },
    evidence: { collect: never, publish: never, lastLine: never, held: never, discard: never, expire: never },
    reviewer: { post: never, readChangeState: never, readVotes: never },
    alarms: { raise: never },
    mailer: null,
    activeJobs: () => [],
    hide: (text) => text,
  };
}

function instantProvider(slots: number): Provider {
  const servers = new Map<string, OwnedServer>();
  return {
    name: 'local',
    slots,
    async create({ name, owner }) {
      const server = {
        id: `id-${name}`,
        name,
        address: `/var/lib/sos-ci/servers/${name}`,
        provider: 'local',
      };
      servers.set(owner.job, { server, owner });
      return server;
    },
    async list({ job }) {
      const one = servers.get(job ?? '');
      return one === undefined ? [] : [one];
    },
    async delete(server) {
      for (const [job, owned] of servers) if (owned.server.id === server.id) servers.delete(job);
    },
    open: ({ address }) => Promise.resolve({ command: `cd ${address}`, directory: address }),
    describe: async () => ({ type: 'local', image: null, flavor: null, system: null }),
    whyGone: () => Promise.resolve(null),
  };
}
