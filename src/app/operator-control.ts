/**
 * The operators' access to a running daemon: the control socket, its commands, and the reload of the configuration. It opens
 * after the daemon has recovered, and closes first.
 */
import { randomInt } from 'node:crypto';
import { systemClock } from '../adapters/clock/system.ts';
import { ControlServer } from '../adapters/control/server.ts';
import { lookUpPatchset } from '../adapters/gerrit/changes/patchset-lookup.ts';
import type { Config } from '../config/config.ts';
import { idMaker } from '../engine/intake/ids.ts';
import type { Janitors } from '../engine/operations/janitors.ts';
import { OperatorCommands } from '../engine/operations/operator-commands.ts';
import type { Sweep } from '../engine/operations/sweep.ts';
import type { Operator, ReloadResult } from '../engine/ports/operator-api.ts';
import type { Store } from '../engine/ports/store.ts';
import { ConfigReloader, type ReloadOptions } from './reload-config.ts';

export interface ControlOptions extends ReloadOptions {
  readonly store: Store;
  readonly sweep: Sweep;
  readonly janitors: Janitors;
  readonly identity: { readonly pid: number; readonly version: string };
}

export class OperatorControl {
  private readonly reloader: ConfigReloader;
  private readonly server: ControlServer;

  constructor(options: ControlOptions) {
    const { config, engine, store, sweep, janitors, admission, identity } = options;
    this.reloader = new ConfigReloader(options);
    const { pid, version } = identity;
    const operators = new OperatorCommands({
      engine,
      store,
      sweep,
      janitors,
      admission,
      clock: systemClock,
      newId: idMaker(() => randomInt(32)),
      findPatchset: patchsetFinder(config),
      reload: (operator) => this.reload(operator),
      identity: { pid, version },
    });
    this.server = new ControlServer({
      stateDir: config.stateDir,
      operators,
      clock: systemClock,
      timeoutMs: config.limits.controlTimeoutMs,
      clientLimit: config.limits.maxControlClients,
    });
  }

  /** The caller holds the daemon's lock. @throws OperationError */
  async start(): Promise<void> {
    this.reloader.recordStart();
    await this.server.start();
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  reload(operator: Operator): Promise<ReloadResult> {
    return this.reloader.reload(operator);
  }

  /** Call it after the engine appended rows. */
  onAppended(): void {
    this.reloader.onAppended();
  }
}

function patchsetFinder({ gerrit }: Config) {
  return (change: number, patchset: number | null) => lookUpPatchset(gerrit, systemClock, change, patchset);
}
