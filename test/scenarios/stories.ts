/**
 * The stories of whole jobs: what Gerrit says, how the world behaves, and what must have come of it in the end. Each is
 * told once as it is, and again with a daemon that dies at every point of it, so the world's troubles depend on what is
 * asked and when, never on how often.
 */

import type { World } from '../../src/engine/ports.ts';
import type { Append } from '../../src/engine/store.ts';
import { OperationError } from '../../src/errors.ts';
import type { GerritEvent } from '../../src/machines/gerrit-event.ts';
import type { Patchset, Verdict } from '../../src/machines/vocabulary.ts';
import { FAILED, failure, jobSpec, PATCHSET } from '../machines/facts.ts';
import { type Lab, type LabOptions, WELL } from './lab.ts';

export interface Story {
  readonly name: string;
  readonly options?: LabOptions;
  readonly tell: (lab: Lab) => void;
  readonly end: End;
}

export interface End {
  /** Of the jobs, oldest first. */
  readonly verdicts: readonly Verdict[];
  /** What Gerrit shows: the first line of each message, and its labels. */
  readonly posts: readonly string[];
  /** Stages whose command really began. */
  readonly stages: number;
  /** Servers that were made. */
  readonly servers: number;
  /** Kinds that were raised, each once. */
  readonly alarms?: readonly string[];
}

const PEOPLE = { username: 'alice', name: 'Alice', email: 'alice@example.org' };
const FIRST = 912345;

export function patchset(change = FIRST, number = 1): Patchset {
  const ref = `refs/changes/${String(change).slice(-2)}/${change}/${number}`;
  return { ...PATCHSET, change, patchset: number, ref };
}

const circumstances = (change: number, number: number) => ({
  at: 1_767_323_000_000,
  patchset: patchset(change, number),
  wip: false,
  private: false,
  by: PEOPLE,
});

export function created(change = FIRST, number = 1): GerritEvent {
  return { type: 'patchset-created', kind: 'REWORK', ...circumstances(change, number) };
}

export function comment(text: string, username = 'alice', change = FIRST, number = 1): GerritEvent {
  const by = { ...PEOPLE, username };
  return {
    type: 'comment-added',
    approvals: [],
    ...circumstances(change, number),
    comment: `Patch Set ${number}:\n\n${text}`,
    by,
  };
}

export function abandoned(change = FIRST, number = 1): GerritEvent {
  return { type: 'change-abandoned', ...circumstances(change, number) };
}

/** Does something in the world when the first row that fits is in the log. */
export function when(lab: Lab, fits: (append: Append) => boolean, act: () => void): void {
  const others = lab.onDurable;
  let done = false;
  lab.onDurable = (batch) => {
    others(batch);
    if (done || !batch.some(fits)) return;
    done = true;
    act();
  };
}

export const isAt = (state: string) => (append: Append) => append.stored.state === state;
export const isRow = (type: string) => (append: Append) => append.row.type === type;

export function outage(operation: string, retryable = true): OperationError {
  return new OperationError(failure(operation, { retryable }));
}

/** The world with one port's method bent. */
export function bent<P extends 'source' | 'runner' | 'evidence' | 'reviewer' | 'alarms'>(
  port: P,
  bend: (inner: World[P], lab: Lab) => Partial<World[P]>,
) {
  return (world: World, lab: Lab): World => {
    const inner = world[port];
    const changes = bend(inner, lab);
    const proxy = new Proxy(inner, {
      get: (target, property) => {
        const value: unknown = Reflect.get(changes, property) ?? Reflect.get(target, property, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { ...world, [port]: proxy };
  };
}

/** The provider with its creation bent. */
export function bentProvider(bend: (inner: Lab['provider'], lab: Lab) => Partial<Lab['provider']>) {
  return (world: World, lab: Lab): World => {
    const { provider } = lab;
    const changes = bend(provider, lab);
    const wrapped = {
      name: provider.name,
      slots: provider.slots,
      create: changes.create ?? provider.create.bind(provider),
      list: changes.list ?? provider.list.bind(provider),
      delete: changes.delete ?? provider.delete.bind(provider),
    };
    return { ...world, providers: new Map([[provider.name, wrapped]]) };
  };
}

const exited = (code: number) => ({ afterMs: 60_000, outcome: { how: 'exited', code } }) as const;
const SUCCEEDED = `${FIRST},1 succeeded Verified+1`;
const TROUBLE = `${FIRST},1 failed`;
const plainly = (lab: Lab) => lab.say(created());

const endings: readonly Story[] = [
  {
    name: 'a job succeeds',
    tell: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 1 },
  },
  {
    name: 'a test fails',
    options: {
      results: FAILED,
      stage: ({ run }) => (run.stage === 'testing' ? exited(1) : WELL),
    },
    tell: plainly,
    end: { verdicts: ['FAILURE'], posts: [`${TROUBLE} Verified-1`], stages: 2, servers: 1 },
  },
  {
    name: 'nothing to stack, and the exit code is the result',
    options: {
      specs: [jobSpec({ stacking: null, results: null, exitCodeIsResult: true })],
      stage: () => exited(3),
    },
    tell: plainly,
    end: { verdicts: ['FAILURE'], posts: [`${TROUBLE} Verified-1`], stages: 1, servers: 1 },
  },
  {
    name: 'tests run into their timeout',
    options: {
      stage: ({ run }) =>
        run.stage === 'testing' ? { afterMs: 7_200_000, outcome: { how: 'timedOut' } } : WELL,
    },
    tell: plainly,
    end: { verdicts: ['TIMED_OUT'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
  {
    name: 'tests never end, and the daemon stops them',
    options: { stage: ({ run }) => (run.stage === 'testing' ? null : WELL) },
    tell: plainly,
    end: { verdicts: ['TIMED_OUT'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
  {
    name: 'tests vanish',
    options: {
      stage: ({ run }) =>
        run.stage === 'testing'
          ? { afterMs: 60_000, outcome: { how: 'lost', why: 'the server rebooted' } }
          : WELL,
    },
    tell: plainly,
    end: { verdicts: ['NODE_FAILURE'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
  {
    name: 'results can not be read',
    options: { results: { unreadable: 'results.tap is cut off' } },
    tell: plainly,
    end: { verdicts: ['POST_FAILURE'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
];

const setups: readonly Story[] = [
  {
    name: 'setup fails once, then the job succeeds',
    options: {
      stage: ({ run }) => (run.stage === 'stacking' && run.owner.attempt === 1 ? exited(1) : WELL),
    },
    tell: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 3, servers: 2 },
  },
  {
    name: 'a stacking that vanishes is tried again',
    options: {
      stage: ({ run }) =>
        run.stage === 'stacking' && run.owner.attempt === 1
          ? { afterMs: 60_000, outcome: { how: 'lost', why: 'the server rebooted' } }
          : WELL,
    },
    tell: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 3, servers: 2 },
  },
  {
    name: 'setup fails each time',
    options: { stage: () => exited(1) },
    tell: plainly,
    end: { verdicts: ['RETRY_LIMIT'], posts: [TROUBLE], stages: 2, servers: 2 },
  },
  {
    name: 'no server is to be had',
    options: { bend: bentProvider(() => ({ create: () => Promise.reject(outage('create server')) })) },
    tell: plainly,
    end: { verdicts: ['NODE_FAILURE'], posts: [TROUBLE], stages: 0, servers: 0 },
  },
  {
    name: 'the first fetch hangs until its deadline',
    options: {
      bend: bent('source', (source) => ({
        fetch: (server, wanted, signal) =>
          server.name.endsWith('-1')
            ? new Promise((_, reject) => {
                signal.addEventListener('abort', () => reject(outage('fetch patchset')), { once: true });
              })
            : source.fetch(server, wanted, signal),
      })),
    },
    tell: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 2 },
  },
  {
    name: 'no slot becomes free in time',
    options: { slots: 0, specs: [jobSpec({ limits: { queueTimeoutMs: 1_800_000 } })] },
    tell: plainly,
    end: { verdicts: ['NODE_FAILURE'], posts: [TROUBLE], stages: 0, servers: 0 },
  },
];

const afterwards: readonly Story[] = [
  {
    name: 'the log site is away at first',
    options: {
      bend: bent('evidence', (evidence) => ({
        publish: (request, signal) =>
          request.key.endsWith(':1')
            ? Promise.reject(outage('publish evidence'))
            : evidence.publish(request, signal),
      })),
    },
    tell: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 1 },
  },
  {
    name: 'evidence can not be published',
    options: {
      bend: bent('evidence', () => ({ publish: () => Promise.reject(outage('publish evidence', false)) })),
    },
    tell: plainly,
    end: { verdicts: ['POST_FAILURE'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
  {
    name: 'Gerrit takes the review, and its answer is lost',
    options: {
      bend: bent('reviewer', (reviewer) => ({
        post: async (request, signal, recovered) => {
          const answer = await reviewer.post(request, signal, recovered);
          if (request.key.endsWith(':1')) throw outage('post review');
          return answer;
        },
      })),
    },
    tell: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 1 },
  },
  {
    name: 'Gerrit refuses the vote',
    options: { report: { label: 'Code-Review' } },
    tell: plainly,
    end: {
      verdicts: ['SUCCESS'],
      posts: [`${FIRST},1 succeeded`],
      stages: 2,
      servers: 1,
      alarms: ['vote-refused'],
    },
  },
  {
    name: 'Gerrit drops the vote in silence',
    options: { report: { label: 'No-Such' } },
    tell: plainly,
    end: {
      verdicts: ['SUCCESS'],
      posts: [`${FIRST},1 succeeded`],
      stages: 2,
      servers: 1,
      alarms: ['vote-dropped'],
    },
  },
  {
    name: 'in shadow mode nothing is posted',
    options: { report: { post: false } },
    tell: plainly,
    end: { verdicts: ['SUCCESS'], posts: [], stages: 2, servers: 1 },
  },
  {
    name: 'the provider is away when the server is to be deleted',
    options: {
      bend: bentProvider((provider, lab) => ({
        delete: (server, deployment) =>
          lab.clock.monotonic() < 150_000
            ? Promise.reject(outage('delete server'))
            : provider.delete(server, deployment),
      })),
    },
    tell: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 1 },
  },
];

const several: readonly Story[] = [
  {
    name: 'two jobs share one review',
    options: {
      slots: 2,
      specs: [jobSpec(), jobSpec({ name: 'acme-unit', stacking: null })],
    },
    tell: plainly,
    end: { verdicts: ['SUCCESS', 'SUCCESS'], posts: [SUCCEEDED], stages: 3, servers: 2 },
  },
  {
    name: 'a newer patchset supersedes the one that is tested',
    tell: (lab) => {
      lab.say(created());
      when(lab, isAt('testing.running'), () => lab.say(created(FIRST, 2)));
    },
    end: {
      verdicts: ['ABORTED', 'SUCCESS'],
      posts: [`${FIRST},2 succeeded Verified+1`],
      stages: 4,
      servers: 2,
    },
  },
  {
    name: 'the change is abandoned while it is tested',
    tell: (lab) => {
      lab.say(created());
      when(lab, isAt('testing.running'), () => lab.say(abandoned()));
    },
    end: { verdicts: ['ABORTED'], posts: [], stages: 2, servers: 1 },
  },
  {
    name: 'somebody asks for a recheck, and our own comment asks for nothing',
    tell: (lab) => {
      lab.say(created());
      when(lab, isRow('votes.read'), () => {
        lab.say(comment('recheck', 'acme-ci'));
        lab.say(comment('recheck'));
        lab.say(comment('I would not recheck that'));
      });
    },
    end: { verdicts: ['SUCCESS', 'SUCCESS'], posts: [SUCCEEDED, SUCCEEDED], stages: 4, servers: 2 },
  },
  {
    name: 'three changes share two slots',
    options: { slots: 2, specs: [jobSpec({ stacking: null })] },
    tell: (lab) => {
      for (const change of [1, 2, 3]) lab.say(created(change));
    },
    end: {
      verdicts: ['SUCCESS', 'SUCCESS', 'SUCCESS'],
      posts: [1, 2, 3].map((change) => `${change},1 succeeded Verified+1`),
      stages: 3,
      servers: 3,
    },
  },
];

export const STORIES = { endings, setups, afterwards, several };

/** What a lab has come to, in the shape of a story's end. */
export function endOf(lab: Lab): Required<End> {
  return {
    verdicts: lab.jobs().flatMap(({ verdict }) => verdict ?? []),
    posts: lab.reviewer.posted.map(({ change, patchset: number, message, labels }) => {
      const word = /^Build (\w+)/.exec(message)?.[1];
      const votes = Object.entries(labels).map(
        ([label, value]) => ` ${label}${value > 0 ? '+' : ''}${value}`,
      );
      return `${change},${number} ${word}${votes.join('')}`;
    }),
    stages: lab.runner.started,
    servers: lab.provider.created,
    alarms: [...new Set(lab.alarms.kinds)],
  };
}
