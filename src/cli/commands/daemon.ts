/** `sos-ci daemon`: listens to Gerrit and runs jobs until it is told to stop. Logs to standard error. */

import type { Wrappers } from '../../app/build-adapters.ts';
import { runDaemon } from '../../app/daemon.ts';
import { loadConfig } from '../../config/load.ts';
import { createLog } from '../../log.ts';
import { after } from '../../timer.ts';
import { EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';

/** How long a stopped daemon may take to end by itself, and to write its last line. */
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
      io.err('sos-ci: ending at once; what runs is found again at the next start\n');
      process.exit(EXIT.interrupted);
    },
  );
  hangup.handle(() => daemon.reload('SIGHUP'));
  const drain = () => daemon.drain();
  process.on('SIGUSR1', drain);
  try {
    const code = await daemon.stopped;
    // A call that does not notice the stop would keep the process, and go on beside the next daemon.
    after(EXIT_GRACE_MS, () => process.exit(code), { unref: true });
    return code;
  } finally {
    removeHandlers();
    hangup.remove();
    process.off('SIGUSR1', drain);
  }
}

/** SIGHUP never ends the daemon, also not one that is only starting: what it asks for then is done afterwards. */
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

/** The first signal asks, the second does not wait. */
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
