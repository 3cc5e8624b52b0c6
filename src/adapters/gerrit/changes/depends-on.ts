/**
 * What a commit message says in its `Depends-On:` lines: changes of this Gerrit, by their page's address in any form
 * that Gerrit has had, or by a Change-Id. What names another place is left to whoever knows that place.
 */

export type Reference =
  | { readonly by: 'number'; readonly change: number }
  | { readonly by: 'id'; readonly id: string };

/** Where this Gerrit's pages are. */
export interface Pages {
  readonly hosts: readonly string[];
  /** What stands before `/c/` in their paths; '' nearly everywhere. */
  readonly prefix: string;
}

const LINE = /^depends-on:[ \t]*(\S+)[ \t\r]*$/gim;
const CHANGE_ID = /^I[0-9a-f]{40}$/;
const VALUE_LIMIT = 2_000;
const NUMBER_MAX = 2_147_483_647;

/** In the order of their first mention, each once. */
export function dependsOn(message: string, pages: Pages): readonly Reference[] {
  const found = new Map<string, Reference>();
  for (const [, value = ''] of message.matchAll(LINE)) {
    const reference = value.length > VALUE_LIMIT ? null : readReference(value, pages);
    if (reference !== null) found.set(referenceText(reference), reference);
  }
  return [...found.values()];
}

/** For people, and as a key. */
export function referenceText(reference: Reference): string {
  return reference.by === 'number' ? String(reference.change) : reference.id;
}

/** From a page that Gerrit itself has named, and the host that we talk to. */
export function pagesOf(host: string, pageUrl: string): Pages {
  const known = { hosts: [host.toLowerCase()], prefix: '' };
  if (!URL.canParse(pageUrl)) return known;
  const { hostname, pathname } = new URL(pageUrl);
  const prefix = /^(.*?)\/(?:c\/|\d+\/?$)/.exec(pathname)?.[1] ?? '';
  return { hosts: [...known.hosts, hostname], prefix };
}

function readReference(value: string, pages: Pages): Reference | null {
  if (CHANGE_ID.test(value)) return { by: 'id', id: value };
  if (!/^https?:/i.test(value) || !URL.canParse(value)) return null;
  const { hostname, pathname, hash } = new URL(value);
  if (!pages.hosts.includes(hostname)) return null;
  return readPage(`${pathname}${hash}`, pages.prefix);
}

/** `/c/PROJECT/+/N`, `/c/N`, `/#/c/N`, `/N`, each perhaps with a patchset; `/q/ID`. */
function readPage(page: string, prefix: string): Reference | null {
  const path = (page.startsWith(`${prefix}/`) ? page.slice(prefix.length) : page).replace(/^\/#/, '');
  const [, query] = /^\/q\/(?:change:)?([^/]+)\/?$/.exec(path) ?? [];
  if (query !== undefined) return CHANGE_ID.test(query) ? { by: 'id', id: query } : null;
  const named = path.startsWith('/c/')
    ? path.slice(path.includes('/+/') ? path.indexOf('/+/') + 2 : 2)
    : path;
  const number = Number(/^\/(\d{1,10})(?:\/|$)/.exec(named)?.[1]);
  return number >= 1 && number <= NUMBER_MAX ? { by: 'number', change: number } : null;
}
