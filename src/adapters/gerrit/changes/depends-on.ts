/**
 * Parses the `Depends-On:` lines of a commit message: changes of this Gerrit, by any URL form that Gerrit has used, or
 * by Change-Id. References to other sites are ignored.
 */

export type Reference =
  | { readonly by: 'number'; readonly change: number }
  | { readonly by: 'id'; readonly id: string };

/** The URLs of this Gerrit's pages. */
export interface Pages {
  readonly hosts: readonly string[];
  /** Path prefix before `/c/`; usually ''. */
  readonly prefix: string;
}

const LINE = /^depends-on:[ \t]*(\S+)[ \t\r]*$/gim;
const CHANGE_ID = /^I[0-9a-f]{40}$/;
const VALUE_LIMIT = 2_000;
const NUMBER_MAX = 2_147_483_647;

/** Each reference once, in order of first mention. */
export function dependsOn(message: string, pages: Pages): readonly Reference[] {
  const found = new Map<string, Reference>();
  for (const [, value = ''] of message.matchAll(LINE)) {
    const reference = value.length > VALUE_LIMIT ? null : readReference(value, pages);
    if (reference !== null) found.set(referenceText(reference), reference);
  }
  return [...found.values()];
}

/** For display, and as a key. */
export function referenceText(reference: Reference): string {
  return reference.by === 'number' ? String(reference.change) : reference.id;
}

/** Derived from a page URL that Gerrit returned and the configured host. */
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

/** `/c/PROJECT/+/N`, `/c/N`, `/#/c/N` and `/N`, each with an optional patchset; `/q/ID`. */
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
