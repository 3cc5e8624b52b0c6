/**
 * The configured providers, now and after each reload. A removed provider stays until its last job has ended. A
 * redefined one gets no new job until the jobs on it have ended, and is then replaced. So every server always has a
 * provider that can delete it.
 */
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import { versionOf } from '../../machines/versions.ts';
import type { Provider } from '../ports/adapters.ts';

export interface ProviderDefinition {
  readonly name: string;
  readonly slots: number;
  /** The rest of the definition, as text: a provider whose slots alone change is not replaced. */
  readonly text: string;
  readonly make: (onCapacity: ReportCapacity) => Provider;
}

/**
 * Called when the number of available slots falls below the configured number, and when it recovers; null: unchanged.
 * `why` is for people. Returns false when the provider was replaced or removed, and need not report again.
 */
export type ReportCapacity = (slots: number | null, why?: string) => boolean;

/** How many open jobs use a provider. */
export interface ProviderUse {
  /** Jobs that were accepted for it, including waiting ones, and its held servers. */
  readonly jobs: number;
  /** Number of these that hold a slot. */
  readonly holders: number;
}

/** How many open jobs among these histories use a provider. */
export function providerUse(histories: Iterable<HistorySnapshot>, provider: string): ProviderUse {
  let [jobs, holders] = [0, 0];
  for (const stored of histories) {
    const version = versionOf(stored);
    const holder = version.heldSlot(stored);
    if ((version.jobProvider(stored) ?? holder?.provider) !== provider) continue;
    jobs += 1;
    if (holder !== null) holders += 1;
  }
  return { jobs, holders };
}

export class ProviderRegistry {
  private readonly live = new Map<string, Provider>();
  private readonly definitions = new Map<string, ProviderDefinition>();
  /** Providers that were removed from the configuration. */
  private readonly retired = new Set<string>();
  /** New definitions of providers that are still in use. */
  private readonly next = new Map<string, ProviderDefinition>();
  /** Available slots, where a provider has reported them. */
  private readonly capacities = new Map<string, { readonly slots: number; readonly why: string }>();
  /** Called when `slots` changes because of a provider's available capacity. */
  onCapacity: () => void = () => {};

  constructor(definitions: readonly ProviderDefinition[]) {
    for (const definition of definitions) this.put(definition);
  }

  /** The current providers; the map changes with the configuration. */
  get providers(): ReadonlyMap<string, Provider> {
    return this.live;
  }

  /** Maximum number of concurrent jobs of each provider. */
  get slots(): Readonly<Record<string, number>> {
    const entries = [...this.definitions.values()].map(({ name, slots }) => [
      name,
      this.next.has(name) ? 0 : Math.min(slots, this.capacities.get(name)?.slots ?? slots),
    ]);
    return Object.fromEntries(entries);
  }

  /** Why a provider has fewer slots than configured, where it says so. */
  get slotReasons(): Readonly<Record<string, string>> {
    const entries = [...this.definitions.values()].flatMap(({ name, slots }) => {
      const known = this.capacities.get(name);
      return known === undefined || known.slots >= slots || known.why === '' ? [] : [[name, known.why]];
    });
    return Object.fromEntries(entries);
  }

  /** Names of the providers that wait for jobs to end before they are replaced or removed. */
  get draining(): readonly string[] {
    return [...this.retired, ...this.next.keys()];
  }

  /** Replaces all definitions. */
  define(definitions: readonly ProviderDefinition[], useOf: (name: string) => ProviderUse): void {
    const names = definitions.map(({ name }) => name);
    for (const name of this.definitions.keys()) if (!names.includes(name)) this.retired.add(name);
    this.next.clear();
    for (const definition of definitions) {
      this.retired.delete(definition.name);
      const known = this.definitions.get(definition.name);
      if (known === undefined) this.put(definition);
      else if (known.text === definition.text) this.definitions.set(definition.name, definition);
      else this.next.set(definition.name, definition);
    }
    this.reconcile(useOf);
  }

  /** Replaces and removes providers whose jobs have ended. Returns whether any changed. */
  reconcile(useOf: (name: string) => ProviderUse): boolean {
    const before = this.draining.length;
    for (const name of this.retired) {
      if (useOf(name).jobs > 0) continue;
      this.retired.delete(name);
      this.definitions.delete(name);
      this.live.delete(name);
      this.capacities.delete(name);
    }
    for (const [name, definition] of this.next) {
      if (useOf(name).holders > 0) continue;
      this.next.delete(name);
      this.put(definition);
    }
    return this.draining.length !== before;
  }

  private put(definition: ProviderDefinition): void {
    const { name } = definition;
    const provider = definition.make((slots, why = '') => {
      // Reports of a replaced provider are ignored.
      if (this.live.get(name) !== provider) return false;
      if (slots === null) return true;
      this.capacities.set(name, { slots, why });
      this.onCapacity();
      return true;
    });
    this.capacities.delete(name);
    this.definitions.set(name, definition);
    this.live.set(name, provider);
  }
}
