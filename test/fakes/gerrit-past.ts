/**
 * Gerrit's own account of what happened, in memory: what it was told by `say` it tells when it is asked, as it stands by
 * then. Like the real one it shows all of a change, newest update first, and knows nothing of what the stream delivered.
 */
import type {
  ChangeHistory,
  ChangeHistoryReader,
  HistoryEntry,
  HistoryRequest,
} from '../../src/engine/ports/event-source.ts';
import type { Failure } from '../../src/machines/model/domain.ts';
import type { ChangeName, GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import { matchesAny } from '../../src/machines/trigger/rules/glob.ts';
import { votesCast } from '../../src/machines/trigger/rules/vote.ts';
import { Rehearsal } from './rehearsal.ts';

type Happened = Extract<
  GerritEvent,
  { patchset: unknown } | { type: 'change-abandoned' } | { type: 'change-merged' }
>;

export class FakeGerritPast implements ChangeHistoryReader {
  /** Prepare, hold, release, count and await calls by name: `read`. */
  readonly calls = new Rehearsal<'read'>();
  /** Each message has an id, as by REST. */
  ids = false;
  readonly #changes = new Map<number, Happened[]>();
  /** Comments posted with an event. */
  readonly #comments = new Map<Happened, readonly (string | null)[]>();
  readonly #movedAt = new Map<number, number>();

  /** It happens. @param comments posted with it, which its message does not show; null: one on a file */
  say(event: GerritEvent, comments: readonly (string | null)[] = []): void {
    if (!isKept(event)) return;
    this.#comments.set(event, comments);
    const { change } = nameOf(event);
    this.#changes.set(change, [...(this.#changes.get(change) ?? []), event]);
  }

  /** Moves the change to another branch, which no event reports. @param wip whether it is work in progress then */
  move(change: number, branch: string, at: number, wip = false): void {
    const happened = this.#changes.get(change) ?? [];
    const moved = happened.map((event) =>
      'patchset' in event ? { ...event, wip, patchset: { ...event.patchset, branch } } : event,
    );
    this.#changes.set(change, moved);
    this.#movedAt.set(change, at);
  }

  failNext(failure: Failure): void {
    this.calls.failNext(failure);
  }

  read(request: HistoryRequest, signal: AbortSignal) {
    return this.calls.play('read', signal, () => {
      const { since, projects, changes } = request;
      const all = [...this.#changes].map(([change, happened]) => {
        const history = pastOf(change, happened);
        const updatedAt = Math.max(history.updatedAt, this.#movedAt.get(change) ?? 0);
        const past = { ...history, updatedAt, comments: this.#commentsOn(happened) };
        return this.ids ? withIds(past) : past;
      });
      const wanted = all.filter(({ change, project, updatedAt }) => {
        const updated = since !== null && updatedAt >= since;
        return changes.includes(change) || (updated && matchesAny(projects, project));
      });
      return { changes: wanted.sort((one, other) => other.updatedAt - one.updatedAt), unread: 0 };
    });
  }

  /** By REST each has its time. */
  #commentsOn(happened: readonly Happened[]): ChangeHistory['comments'] {
    return happened.flatMap((event) => {
      if (event.type !== 'comment-added') return [];
      const { at, by } = event;
      const about = { by, patchset: event.patchset.patchset, at: this.ids ? at : null };
      return (this.#comments.get(event) ?? []).flatMap((text) => (text === null ? [] : [{ ...about, text }]));
    });
  }
}

function isKept(event: GerritEvent): event is Happened {
  return 'patchset' in event || event.type === 'change-abandoned' || event.type === 'change-merged';
}

function nameOf(event: Happened): ChangeName {
  return 'patchset' in event ? event.patchset : event;
}

/** Messages of a change are never removed, so an index identifies one. */
function withIds(past: ChangeHistory): ChangeHistory {
  const entries = past.entries.map((entry, index) => ({ ...entry, id: `${past.change}-${index}` }));
  return { ...past, entries };
}

function pastOf(change: number, happened: readonly Happened[]): Omit<ChangeHistory, 'comments'> {
  const last = happened.at(-1);
  if (last === undefined) throw new Error('nothing happened');
  const patchsets = happened.flatMap((event) => (event.type === 'patchset-created' ? [event] : []));
  const current = patchsets.reduce<(typeof patchsets)[number] | null>(
    (newest, one) => (newest === null || one.patchset.patchset > newest.patchset.patchset ? one : newest),
    null,
  );
  const ends = happened.flatMap((event) =>
    event.type === 'change-abandoned' || event.type === 'change-merged' || event.type === 'change-restored'
      ? [event]
      : [],
  );
  const end = ends.at(-1);
  const closed = end === undefined || end.type === 'change-restored' ? null : end;
  const ready = happened.findLast((event) => event.type === 'change-ready');
  return {
    project: nameOf(last).project,
    change,
    updatedAt: Math.max(...happened.map(({ at }) => at)),
    entries: happened.flatMap((event) => entryOf(event, closed !== null, current?.patchset.patchset ?? 0)),
    patchset: closed === null && current !== null ? { event: current, at: current.at } : null,
    ready: closed === null && ready?.type === 'change-ready' ? { event: ready, readyAt: ready.at } : null,
    closed,
  };
}

function entryOf(event: Happened, isClosed: boolean, current: number): readonly HistoryEntry[] {
  const { at, by } = event;
  if (event.type === 'change-restored') {
    return [{ kind: 'restored', at, patchset: 0, by, text: '', votes: [], event: isClosed ? null : event }];
  }
  if (event.type !== 'comment-added') return [];
  const { patchset } = event.patchset;
  const dead = isClosed || (current > 0 && patchset !== current);
  return [
    {
      kind: 'comment',
      at,
      patchset,
      by,
      text: event.comment,
      votes: votesCast(event),
      event: dead ? null : event,
    },
  ];
}
