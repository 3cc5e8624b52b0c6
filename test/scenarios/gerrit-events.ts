/** Gerrit's events in the stories: patchsets, comments, and changes that are ready, closed or restored. */

import type { Patchset } from '../../src/machines/model/domain.ts';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import { PATCHSET } from '../machines/facts.ts';

const PEOPLE = { username: 'alice', name: 'Alice', email: 'alice@example.org' };
export const FIRST = 912345;

export function patchset(change = FIRST, number = 1): Patchset {
  const ref = `refs/changes/${String(change).slice(-2)}/${change}/${number}`;
  return { ...PATCHSET, change, patchset: number, ref };
}

const commonFields = (change: number, number: number) => ({
  /** Replaced by the time of the event. */
  at: 0,
  patchset: patchset(change, number),
  wip: false,
  private: false,
  by: PEOPLE,
});

export function created(change = FIRST, number = 1): GerritEvent {
  return { type: 'patchset-created', kind: 'REWORK', ...commonFields(change, number) };
}

/** The change is no longer work in progress. */
export function ready(change = FIRST, number = 1): GerritEvent {
  return { type: 'change-ready', ...commonFields(change, number) };
}

export function comment(text: string, username = 'alice', change = FIRST, number = 1): GerritEvent {
  const by = { ...PEOPLE, username };
  return {
    type: 'comment-added',
    approvals: [],
    ...commonFields(change, number),
    comment: `Patch Set ${number}:\n\n${text}`,
    by,
  };
}

/** The change is open again. */
export function restored(change = FIRST, number = 1): GerritEvent {
  return { type: 'change-restored', ...commonFields(change, number) };
}

export function abandoned(change = FIRST): GerritEvent {
  return { type: 'change-abandoned', ...closingFields(change) };
}

export function merged(change = FIRST): GerritEvent {
  return { type: 'change-merged', ...closingFields(change) };
}

export function deleted(change = FIRST): GerritEvent {
  return { type: 'change-deleted', ...closingFields(change) };
}

function closingFields(change: number) {
  const { at, by, patchset: of } = commonFields(change, 1);
  return { at, by, project: of.project, change };
}
