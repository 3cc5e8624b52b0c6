/**
 * Gerrit's history of changes, in memory. `say` adds an event; `read` returns the changes in their current state.
 * Like the real one, returns whole changes, newest update first, and does not know what the stream has delivered. With
 * ids it omits comments that the request does not need, as over REST.
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
import { CallController } from './call-controller.ts';

type ChangeEvent = Extract<
  GerritEvent,
  { patchset: unknown } | { type: 'change-abandoned' } | { type: 'change-merged' }
>;

export class FakeChangeHistory implements ChangeHistoryReader {
  /** Fails, holds, releases, counts and awaits calls by name: `read`. */
  readonly calls = new CallController<'read'>();
  /** True: each message has an id, as over REST. */
  ids = false;
  readonly #changes = new Map<number, ChangeEvent[]>();
  /** Comments posted with an event. */
  readonly #comments = new Map<ChangeEvent, readonly (string | null)[]>();
  readonly #movedAt = new Map<number, number>();

  /** Adds an event. @param comments posted with it, which its message does not contain; null: a comment on a file */
  say(event: GerritEvent, comments: readonly (string | null)[] = []): void {
    if (event.type === 'change-deleted') this.#changes.delete(event.change);
    if (!isKept(event)) return;
    this.#comments.set(event, comments);
    const { change } = changeOf(event);
    this.#changes.set(change, [...(this.#changes.get(change) ?? []), event]);
  }

  /** Moves the change to another branch, which no event reports. @param wip whether it is then work in progress */
  move(change: number, branch: string, at: number, wip = false): void {
    const events = this.#changes.get(change) ?? [];
    const moved = events.map((event) =>
      'patchset' in event ? { ...event, wip, patchset: { ...event.patchset, branch } } : event,
    );
    this.#changes.set(change, moved);
    this.#movedAt.set(change, at);
  }

  failNext(failure: Failure): void {
    this.calls.failNext(failure);
  }

  read(request: HistoryRequest, signal: AbortSignal) {
    return this.calls.perform('read', signal, () => {
      const { since, projects, changes, commentsSince } = request;
      const all = [...this.#changes].map(([change, events]) => {
        const history = historyOf(change, events);
        const updatedAt = Math.max(history.updatedAt, this.#movedAt.get(change) ?? 0);
        const complete = { ...history, updatedAt, comments: this.#commentsOn(events, commentsSince) };
        return this.ids ? withIds(complete) : complete;
      });
      const wanted = all.filter(({ change, project, updatedAt }) => {
        const updated = since !== null && updatedAt >= since;
        return changes.includes(change) || (updated && matchesAny(projects, project));
      });
      return { changes: wanted.sort((one, other) => other.updatedAt - one.updatedAt), unparsed: 0 };
    });
  }

  /** Over REST each comment has its time. */
  #commentsOn(events: readonly ChangeEvent[], commentsSince: number): ChangeHistory['comments'] {
    const commented = events.filter((event) => (this.#comments.get(event) ?? []).length > 0);
    if (this.ids && commented.every(({ at }) => at < commentsSince)) return [];
    return events.flatMap((event) => {
      if (event.type !== 'comment-added') return [];
      const { at, by } = event;
      const about = { by, patchset: event.patchset.patchset, at: this.ids ? at : null };
      return (this.#comments.get(event) ?? []).flatMap((text) => (text === null ? [] : [{ ...about, text }]));
    });
  }
}

function isKept(event: GerritEvent): event is ChangeEvent {
  return 'patchset' in event || event.type === 'change-abandoned' || event.type === 'change-merged';
}

function changeOf(event: ChangeEvent): ChangeName {
  return 'patchset' in event ? event.patchset : event;
}

/** Messages of a change are never removed, so an index identifies one. */
function withIds(history: ChangeHistory): ChangeHistory {
  const entries = history.entries.map((entry, index) => ({ ...entry, id: `${history.change}-${index}` }));
  return { ...history, entries };
}

function historyOf(change: number, events: readonly ChangeEvent[]): Omit<ChangeHistory, 'comments'> {
  const last = events.at(-1);
  if (last === undefined) throw new Error('the change has no events');
  const patchsets = events.flatMap((event) => (event.type === 'patchset-created' ? [event] : []));
  const current = patchsets.reduce<(typeof patchsets)[number] | null>(
    (newest, one) => (newest === null || one.patchset.patchset > newest.patchset.patchset ? one : newest),
    null,
  );
  const ends = events.flatMap((event) =>
    event.type === 'change-abandoned' || event.type === 'change-merged' || event.type === 'change-restored'
      ? [event]
      : [],
  );
  const end = ends.at(-1);
  const closed = end === undefined || end.type === 'change-restored' ? null : end;
  const ready = events.findLast((event) => event.type === 'change-ready');
  return {
    project: changeOf(last).project,
    change,
    updatedAt: Math.max(...events.map(({ at }) => at)),
    entries: events.flatMap((event) => entryOf(event, closed !== null, current?.patchset.patchset ?? 0)),
    patchset: closed === null && current !== null ? { event: current, at: current.at } : null,
    ready: closed === null && ready?.type === 'change-ready' ? { event: ready, readyAt: ready.at } : null,
    closed,
  };
}

function entryOf(event: ChangeEvent, isClosed: boolean, current: number): readonly HistoryEntry[] {
  const { at, by } = event;
  if (event.type === 'change-restored') {
    return [{ kind: 'restored', at, patchset: 0, by, text: '', votes: [], event: isClosed ? null : event }];
  }
  if (event.type !== 'comment-added') return [];
  const { patchset } = event.patchset;
  const outdated = isClosed || (current > 0 && patchset !== current);
  return [
    {
      kind: 'comment',
      at,
      patchset,
      by,
      text: event.comment,
      votes: votesCast(event),
      event: outdated ? null : event,
    },
  ];
}
