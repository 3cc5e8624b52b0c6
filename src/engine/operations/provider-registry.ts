/**
 * The providers as the configuration defines them, now and after it was reloaded. One that was taken out stays until
 * its last job has ended; one that is defined in another way gets no new job until what runs there has ended, and then
 * is the new one. So every server has somebody who can remove it.
 */
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import { versionOf } from '../../machines/versions.ts';
import type { Provider } from '../ports/adapters.ts';

export interface ProviderDefinition {
  readonly name: string;
  readonly slots: number;
  /** Everything else that is said of it, as text: a change of slots alone needs no other provider. */
  readonly text: string;
  /** @param onCapacity to be told when fewer jobs than `slots` can be had there, and when that is over */
  readonly make: (onCapacity: (slots: number) => void) => Provider;
}

/** What open jobs have to do with a provider. */
export interface ProviderUse {
  /** Jobs that were accepted for it, and may still wait. */
  readonly jobs: number;
  /** Those of them that hold a slot. */
  readonly holders: number;
}

/** What the open jobs among these histories have to do with a provider. */
export function providerUse(histories: Iterable<HistorySnapshot>, provider: string): ProviderUse {
  let [jobs, holders] = [0, 0];
  for (const stored of histories) {
    const version = versionOf(stored);
    if (version.jobProvider(stored) !== provider) continue;
    jobs += 1;
    if (version.heldSlot(stored) !== null) holders += 1;
  }
  return { jobs, holders };
}

export class ProviderRegistry {
  private readonly live = new Map<string, Provider>();
  private readonly definitions = new Map<string, ProviderDefinition>();
  /** Not in the configuration any more. */
  private readonly retired = new Set<string>();
  /** Defined again, and still used as it was. */
  private readonly next = new Map<string, ProviderDefinition>();
  /** Those that can be had, where a provider has said so. */
  private readonly capacities = new Map<string, number>();
  /** Told when `slots` has changed because of what a provider can do. */
  onCapacity: () => void = () => {};

  constructor(definitions: readonly ProviderDefinition[]) {
    for (const definition of definitions) this.put(definition);
  }

  /** As they are now; it changes with the configuration. */
  get providers(): ReadonlyMap<string, Provider> {
    return this.live;
  }

  /** Jobs that each may have at the same time. */
  get slots(): Readonly<Record<string, number>> {
    const entries = [...this.definitions.values()].map(({ name, slots }) => [
      name,
      this.next.has(name) ? 0 : Math.min(slots, this.capacities.get(name) ?? slots),
    ]);
    return Object.fromEntries(entries);
  }

  /** Names of those that wait for jobs to end before they change or go. */
  get draining(): readonly string[] {
    return [...this.retired, ...this.next.keys()];
  }

  /** From now on these are defined, and no others. */
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

  /** Jobs may have ended: who waited for that changes or goes. Returns whether anything did. */
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
    const provider = definition.make((slots) => {
      // One that was replaced has nothing to say any more.
      if (this.live.get(name) !== provider) return;
      this.capacities.set(name, slots);
      this.onCapacity();
    });
    this.capacities.delete(name);
    this.definitions.set(name, definition);
    this.live.set(name, provider);
  }
}
