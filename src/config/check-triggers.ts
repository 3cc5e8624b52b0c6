/** Mistakes between the keys that say what starts a job: what could never start it, and jobs that can not wait together. */
import { overlap } from '../machines/trigger/rules/glob.ts';
import { at, isMapping, type KeyPath } from './file/yaml-document.ts';

type Add = (path: KeyPath, what: string, next: string) => void;

export function checkTriggers(root: unknown, add: Add): void {
  const jobs = at(root, ['jobs']);
  if (!isMapping(jobs)) return;
  for (const name of Object.keys(jobs)) {
    checkKinds(root, name, add);
    checkVotes(root, name, add);
  }
  checkHolds(root, Object.keys(jobs), add);
}

/** Where the list is given, it must name what other keys speak of. */
function checkKinds(root: unknown, name: string, add: Add): void {
  const path = ['jobs', name, 'triggers'];
  const triggers = at(root, path);
  if (!Array.isArray(triggers)) return;
  const given = (key: string) => {
    const list = at(root, ['jobs', name, key]);
    return Array.isArray(list) && list.length > 0;
  };
  if (triggers.length === 0)
    add(path, 'is empty, so nothing starts this job', 'remove the key, or name some');
  if (triggers.includes('vote') && !given('votes'))
    add(path, 'names vote, but no vote is described', 'add votes: [{label: Verified, value: 1, by: zuul}]');
  for (const [key, kind] of [['votes', 'vote'] as const, ['comments', 'recheck'] as const]) {
    if (given(key) && !triggers.includes(kind))
      add(['jobs', name, key], `starts nothing, because triggers does not name ${kind}`, `add ${kind} to it`);
  }
}

function checkVotes(root: unknown, name: string, add: Add): void {
  const votes = at(root, ['jobs', name, 'votes']);
  if (!Array.isArray(votes)) return;
  for (const [index, vote] of votes.entries()) {
    if (!isMapping(vote) || (vote.value === undefined) !== (vote.min === undefined)) continue;
    add(
      ['jobs', name, 'votes', index],
      'must have either value or min',
      'value: 1 is just this, min: 1 is this or more',
    );
  }
}

/** Jobs of one patchset share one review, and it waits once. */
function checkHolds(root: unknown, names: readonly string[], add: Add): void {
  const held = names.map((name) => {
    const own = at(root, ['jobs', name, 'after']);
    return { name, after: own === undefined ? (at(root, ['triggers', 'after']) ?? 'none') : own };
  });
  for (const [index, job] of held.entries()) {
    const other = held
      .slice(0, index)
      .find(({ name, after }) => after !== job.after && meet(root, name, job.name));
    if (other === undefined) continue;
    const next = `they share one review and start together: give both the same, or tell their projects or branches apart`;
    add(['jobs', job.name, 'after'], `differs from that of ${other.name}, for the same changes`, next);
  }
}

/** True when one new patchset can start both. */
function meet(root: unknown, one: string, other: string): boolean {
  const asks = (name: string) => {
    const triggers = at(root, ['jobs', name, 'triggers']);
    return Array.isArray(triggers) && !UNASKED.some((kind) => triggers.includes(kind));
  };
  if (asks(one) || asks(other)) return false;
  const globs = (name: string, key: string, fallback: readonly string[]) => {
    const value = at(root, ['jobs', name, key]) ?? fallback;
    return (Array.isArray(value) ? value : [value]).filter((glob) => typeof glob === 'string');
  };
  return [['project', []] as const, ['branches', ['*']] as const].every(([key, fallback]) =>
    globs(one, key, fallback).some((a) => globs(other, key, fallback).some((b) => overlap(a, b))),
  );
}

/** What starts a job though nobody asked for it: then it waits. */
const UNASKED = ['patchset', 'restored', 'ready'];
