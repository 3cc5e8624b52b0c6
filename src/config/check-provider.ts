/** What is wrong with providers although each key by itself is right: names, trust, hosts that stand there twice. */

import { isLoopback, jobName } from './fields/validators.ts';
import { at, isMapping, type KeyPath } from './file/yaml-document.ts';

type Add = (path: KeyPath, what: string, next: string) => void;

/** The names of the providers. */
export function checkProviders(root: unknown, add: Add): readonly string[] {
  const providers = at(root, ['providers']);
  const names = isMapping(providers) ? Object.keys(providers) : ['local'];
  if (names.length === 0)
    add(['providers'], 'names no provider', 'add one, or remove the key: providers: {local: {slots: 1}}');
  for (const name of names) {
    const wrong = jobName(name);
    if (wrong !== null) add(['providers', name], `the name ${wrong.what}`, wrong.next);
  }
  checkTrust(root, names, add);
  checkHosts(root, names, add);
  return names;
}

/** Two leases of one host in the same place would share its directory and its trouble. */
function checkHosts(root: unknown, providers: readonly string[], add: Add): void {
  const seen = new Map<string, string>();
  for (const provider of providers) {
    const hosts = at(root, ['providers', provider, 'hosts']);
    for (const name of isMapping(hosts) ? Object.keys(hosts) : []) {
      const path = ['providers', provider, 'hosts', name];
      const wrong = jobName(name);
      if (wrong !== null) add(path, `the name ${wrong.what}`, wrong.next);
      const fallback = at(root, ['providers', provider, 'ssh', 'port']) ?? 22;
      const place = `${String(at(root, [...path, 'host']))}:${String(at(root, [...path, 'port']) ?? fallback)}`;
      const before = seen.get(place);
      const next = 'a host has one job at a time: name it once';
      if (before !== undefined) add(path, `is the same host as ${before} (${place})`, next);
      else seen.set(place, path.join('.'));
    }
  }
}

/** Same rule as the provider itself, which refuses at the start; here it has a line. */
function checkTrust(root: unknown, names: readonly string[], add: Add): void {
  const host = at(root, ['gerrit', 'host']);
  if (typeof host !== 'string' || isLoopback(host)) return;
  for (const name of names) {
    if ((at(root, ['providers', name, 'type']) ?? 'local') !== 'local') continue;
    const allowed = at(root, ['providers', name, 'allowUntrustedCode']);
    const user = at(root, ['providers', name, 'user']);
    if (allowed === true || typeof user === 'string') continue;
    add(['providers', name], untrusted(host), allowIt(name));
  }
}

function untrusted(host: string): string {
  return `would run patchsets of ${host} as this user, on this host`;
}

function allowIt(name: string): string {
  return `name an account for their code: providers.${name}.user; or, if whoever may upload there may run code as this user, say so: providers.${name}.allowUntrustedCode: true`;
}
