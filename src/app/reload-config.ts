/**
 * Has the configuration file read anew while the daemon runs. With a mistake in it everything stays as it is, and every
 * mistake is told with its place; otherwise what is accepted from now on follows the new file, and what only counts
 * after the next start is said. Both are the configuration's record in the database.
 */
import { assertLoopbackGerrit } from '../adapters/local/loopback-guard.ts';
import type { Config } from '../config/config.ts';
import { activeAfter, difference } from '../config/diff.ts';
import { ConfigError } from '../config/file/config-error.ts';
import { loadConfig } from '../config/load.ts';
import type { Admission } from '../engine/intake/admission.ts';
import type { Engine } from '../engine/loop/engine.ts';
import type { ProviderUse } from '../engine/operations/provider-registry.ts';
import { providerUse } from '../engine/operations/provider-registry.ts';
import type { Clock } from '../engine/ports/adapters.ts';
import type { Operator, ReloadAnswer } from '../engine/ports/operator-api.ts';
import type { Store } from '../engine/ports/store.ts';
import { OperationError } from '../errors.ts';
import type { Log, SecretValues } from '../log.ts';
import { Semaphore } from '../semaphore.ts';
import { admissionSettings, type Overrides, slotLimits } from './admission-settings.ts';
import type { BuiltProviders } from './build-providers.ts';

export interface ReloadOptions {
  readonly config: Config;
  readonly overrides: Overrides;
  /** What the daemon's log and the evidence hide. */
  readonly secrets: SecretValues;
  readonly log: Log;
  readonly store: Pick<Store, 'config' | 'setConfig'>;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly admission: Admission;
  readonly providers: Pick<BuiltProviders, 'set' | 'define'>;
  /** Others may run at a time from now on. */
  readonly onLimits: () => void;
}

/** Mistakes that are kept in the log, and the length of each. */
const MAX_PROBLEMS = 100;
const MAX_PROBLEM_LENGTH = 1_000;

export class ConfigReloader {
  private readonly options: ReloadOptions;
  private active: Config;
  private readonly mutex = new Semaphore(1);

  constructor(options: ReloadOptions) {
    this.options = options;
    this.active = options.config;
    options.providers.set.onCapacity = () => this.setLimits();
  }

  /** The daemon has started with its configuration. */
  recordStart(): void {
    this.recordLoaded({ who: '', why: '' }, [], []);
  }

  /** One after the other. Resolves when it is in the log, and counts. */
  reload(operator: Operator): Promise<ReloadAnswer> {
    return this.mutex.run(() => this.reloadNow(operator));
  }

  /** The engine appended something: jobs that a provider waited for may have ended. */
  onAppended(): void {
    const { set } = this.options.providers;
    if (set.draining.length > 0 && set.reconcile(this.usage)) this.setLimits();
  }

  private async reloadNow({ who, why }: Operator): Promise<ReloadAnswer> {
    const { config, log } = this.options;
    const { file } = config;
    const read = reread(config);
    if ('problems' in read) {
      for (const problem of read.problems) log.error({}, `configuration: ${problem}`);
      log.error({ file, mistakes: read.problems.length }, 'the configuration stays as it was');
      const problems = read.problems.slice(0, MAX_PROBLEMS).map((text) => text.slice(0, MAX_PROBLEM_LENGTH));
      this.recordRejected(problems);
      return { changed: [], restart: [], problems };
    }
    const { changed, restart } = difference(this.active, config, read.config);
    this.apply(activeAfter(config, read.config));
    this.recordLoaded({ who, why }, changed, restart);
    log.info({ file, changed, by: who }, 'the configuration was read anew');
    if (restart.length > 0) log.warn({ restart }, 'part of the configuration counts after the next start');
    return { changed, restart, problems: [] };
  }

  private apply(config: Config): void {
    const { admission, providers, overrides, secrets, log } = this.options;
    this.active = config;
    // What is connected with a password keeps it until the next start, so what was hidden at the start stays so.
    secrets.values = [...new Set([...this.options.config.redact, ...config.redact])];
    admission.updateSettings(admissionSettings(config, overrides));
    providers.set.define(providers.define(config), this.usage);
    this.setLimits();
    const { draining: leaving } = providers.set;
    if (leaving.length > 0)
      log.info({ providers: leaving }, 'providers that change or go when their jobs have ended');
  }

  private setLimits(): void {
    const { engine, providers } = this.options;
    engine.slots.setLimits(slotLimits(this.active, providers.set.slots));
    this.options.onLimits();
  }

  private readonly usage = (name: string): ProviderUse =>
    providerUse(this.options.engine.histories.values(), name);

  private recordLoaded({ who, why }: Operator, changed: readonly string[], restart: readonly string[]): void {
    const { store, clock, config } = this.options;
    const loadedAt = clock.now();
    const { file } = config;
    store.setConfig({ file, by: who, why, loadedAt, changed, restart, problems: [], rejectedAt: null });
  }

  private recordRejected(problems: readonly string[]): void {
    const { store, clock } = this.options;
    const record = store.config();
    if (record !== null) store.setConfig({ ...record, problems, rejectedAt: clock.now() });
  }
}

type RereadResult = { readonly config: Config } | { readonly problems: readonly string[] };

/** @param original what the daemon was started with */
function reread(original: Config): RereadResult {
  try {
    const config = loadConfig(original.file);
    const problems = trustProblems(original, config);
    return problems.length > 0 ? { problems } : { config };
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    return { problems: thrown.message.split('\n') };
  }
}

/** The file is judged by the Gerrit that it names; until the next start it is the other one whose patches run. */
function trustProblems({ file, gerrit: { host } }: Config, { providers }: Config): readonly string[] {
  return providers.flatMap((provider) => {
    if (provider.type !== 'local') return [];
    try {
      assertLoopbackGerrit(host, provider);
      return [];
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      return [`${file}: providers.${provider.name}: ${thrown.message}; ${thrown.hint}`];
    }
  });
}
