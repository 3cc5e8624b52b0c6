/**
 * Reloads the configuration file while the daemon runs. If the file has errors, nothing changes and every error is
 * reported with its line. Otherwise the new file applies to everything that is admitted from now on, and keys that need a
 * restart are reported. Records both in the database.
 */
import { assertLoopbackGerrit } from '../adapters/local/loopback-guard.ts';
import type { Config } from '../config/config.ts';
import { activeAfter, difference } from '../config/diff.ts';
import { ConfigError } from '../config/file/config-error.ts';
import { loadConfig } from '../config/load.ts';
import type { Admission } from '../engine/intake/admission.ts';
import type { Engine } from '../engine/loop/engine.ts';
import type { Janitors } from '../engine/operations/janitors.ts';
import type { ProviderUse } from '../engine/operations/provider-registry.ts';
import { providerUse } from '../engine/operations/provider-registry.ts';
import type { Clock } from '../engine/ports/adapters.ts';
import type { Operator, ReloadResult } from '../engine/ports/operator-api.ts';
import type { Store } from '../engine/ports/store.ts';
import { errorText, OperationError } from '../errors.ts';
import type { Log, SecretValues } from '../log.ts';
import { Semaphore } from '../semaphore.ts';
import { admissionSettings, type Overrides, slotLimits } from './admission-settings.ts';
import { janitorDefinitions } from './build-janitors.ts';
import type { BuiltProviders } from './build-providers.ts';

export interface ReloadOptions {
  readonly config: Config;
  readonly overrides: Overrides;
  /** Secrets that the log and evidence redact. */
  readonly secrets: SecretValues;
  readonly log: Log;
  readonly store: Pick<Store, 'config' | 'setConfig'>;
  readonly clock: Clock;
  readonly engine: Engine;
  readonly janitors: Pick<Janitors, 'define'>;
  readonly admission: Admission;
  readonly providers: Pick<BuiltProviders, 'set' | 'define'>;
  /** Called when the slot limits changed. */
  readonly onLimits: () => void;
}

/** Errors that are recorded, and the length of each. */
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

  /** Records the configuration that the daemon started with. */
  recordStart(): void {
    this.recordLoaded({ who: '', why: '' }, [], []);
  }

  /** Reloads one at a time. Resolves when the new configuration is recorded and in effect. */
  reload(operator: Operator): Promise<ReloadResult> {
    return this.mutex.run(() => this.reloadNow(operator));
  }

  /** Call it after the engine appended rows: a draining provider's last job may have ended. */
  onAppended(): void {
    const { set } = this.options.providers;
    if (set.draining.length > 0 && set.reconcile(this.usage)) this.setLimits();
  }

  private async reloadNow({ who, why }: Operator): Promise<ReloadResult> {
    const { config, log } = this.options;
    const { file } = config;
    const read = reread(config);
    if ('problems' in read) {
      for (const problem of read.problems) log.error({}, `configuration: ${problem}`);
      log.error({ file, errors: read.problems.length }, 'the configuration was not changed');
      const problems = read.problems.slice(0, MAX_PROBLEMS).map((text) => text.slice(0, MAX_PROBLEM_LENGTH));
      this.recordRejected(problems);
      return { changed: [], restart: [], problems };
    }
    const { changed, restart } = difference(this.active, config, read.config);
    this.apply(activeAfter(config, read.config));
    this.recordLoaded({ who, why }, changed, restart);
    log.info({ file, changed, by: who }, 'the configuration was reloaded');
    if (restart.length > 0) log.warn({ restart }, 'part of the configuration needs a restart');
    return { changed, restart, problems: [] };
  }

  private apply(config: Config): void {
    const { admission, janitors, providers, overrides, secrets, log } = this.options;
    this.active = config;
    // Old values stay redacted: open connections and running jobs still use the passwords and secrets from their start.
    secrets.values = [...new Set([...secrets.values, ...config.redact])];
    admission.updateSettings(admissionSettings(config, overrides));
    janitors.define(janitorDefinitions(config));
    providers.set.define(providers.define(config), this.usage);
    this.setLimits();
    const { draining: leaving } = providers.set;
    if (leaving.length > 0)
      log.info({ providers: leaving }, 'providers that change or are removed when their jobs have ended');
  }

  private setLimits(): void {
    const { engine, providers } = this.options;
    engine.slots.setLimits(slotLimits(this.active, providers.set));
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

/** @param original the configuration that the daemon started with */
function reread(original: Config): RereadResult {
  try {
    const config = loadConfig(original.file);
    const problems = trustProblems(original, config);
    return problems.length > 0 ? { problems } : { config };
  } catch (thrown) {
    // Whatever is wrong with the file, the daemon keeps the configuration that it has.
    const text = thrown instanceof ConfigError ? thrown.message : `${original.file}: ${errorText(thrown)}`;
    return { problems: text.split('\n') };
  }
}

/** Checks the new providers against the Gerrit in use: a changed gerrit.host needs a restart. */
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
