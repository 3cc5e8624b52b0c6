/** `sos-ci daemon`: listens to Gerrit and runs jobs until it is stopped. Logs to standard error. */

import type { Wrappers } from '../../app/build-adapters.ts';
import { runDaemon } from '../../app/daemon.ts';
import { loadConfig } from '../../config/load.ts';
import { createLog } from '../../log.ts';
import { after } from '../../timer.ts';
import { EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';

/** How long the process may take to exit after the daemon stopped, so that the last log line is written. */
const EXIT_GRACE_MS = 200;

export interface DaemonFlags {
  readonly slots?: number;
  readonly monitorOnly?: boolean;
  /** False with --no-report. */
  readonly report: boolean;
  readonly drain?: boolean;
  /** Epoch ms. */
  readonly since?: number;
}

export async function daemonCommand(
  io: Io,
  file: string,
  flags: DaemonFlags,
  wrappers: Wrappers | null = null,
): Promise<number> {
  const config = loadConfig(file);
  const secrets = { values: config.redact };
  const log = createLog({ level: config.log.level, destination: 'stderr', secrets });
  const hangup = new HangupSignal();
  const daemon = await runDaemon(config, {
    log,
    secrets,
    monitorOnly: flags.monitorOnly === true,
    report: flags.report,
    drain: flags.drain === true,
    wrappers,
    ...(flags.since === undefined ? {} : { since: flags.since }),
    ...(flags.slots === undefined ? {} : { slots: flags.slots }),
  });
  const removeHandlers = onStopSignals(
    () => daemon.stop(),
    () => {
      io.err('sos-ci: exiting immediately; the next start finds running jobs again\n');
      process.exit(EXIT.interrupted);
    },
  );
  hangup.handle(() => daemon.reload('SIGHUP'));
  const drain = () => daemon.drain();
  process.on('SIGUSR1', drain);
  try {
    const code = await daemon.stopped;
    // A call that ignores the stop would keep this process alive beside the next daemon.
    after(EXIT_GRACE_MS, () => process.exit(code), { unref: true });
    return code;
  } finally {
    removeHandlers();
    hangup.remove();
    process.off('SIGUSR1', drain);
  }
}

/** Handles SIGHUP from the very beginning: a signal during the start is handled after the start and never ends the process. */
class HangupSignal {
  private pending = false;
  private handler: () => void = () => {
    this.pending = true;
  };
  private readonly listener = () => this.handler();

  constructor() {
    process.on('SIGHUP', this.listener);
  }

  handle(handler: () => void): void {
    this.handler = handler;
    if (this.pending) handler();
  }

  remove(): void {
    process.off('SIGHUP', this.listener);
  }
}

/** Calls one function at the first stop signal and another at each later one. */
export function onStopSignals(onFirst: () => void, onSecond: () => void): () => void {
  let stopping = false;
  const onSignal = (): void => {
    if (stopping) onSecond();
    else onFirst();
    stopping = true;
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  return () => {
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
  };
}
