/** `sos-ci boot-test PROVIDER`: boots one server, logs in, and deletes it, with the time of each step. */
import { bootTest } from '../../app/boot-test.ts';
import { nearest } from '../../config/file/config-error.ts';
import { loadConfig } from '../../config/load.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';

export interface BootTestFlags {
  readonly json?: boolean;
}

interface Step {
  readonly step: string;
  /** Since the start. */
  readonly ms: number;
}

/** Exit code 0: the server was ready and is deleted. Anything else is an error. */
export async function bootTestCommand(
  io: Io,
  file: string,
  name: string,
  flags: BootTestFlags,
): Promise<number> {
  const config = loadConfig(file);
  const provider = config.providers.find((one) => one.name === name);
  if (provider === undefined)
    throw unknown(
      name,
      config.providers.map((one) => one.name),
    );
  const stop = new AbortController();
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    io.err('\nsos-ci: interrupted; deleting the server. Interrupt again to leave it to the next boot-test\n');
    stop.abort();
  };
  const started = io.now();
  const steps: Step[] = [];
  const onStep = (step: string) => {
    const ms = io.now() - started;
    steps.push({ step, ms });
    if (!flags.json)
      io.out(`${paint(io, 'dim', `+${formatDuration(ms)}`.padStart(8))}  ${plainText(step)}\n`);
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    await bootTest(config, { provider, signal: stop.signal, onStep, alive: io.alive });
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
  if (flags.json) printJson(io, { provider: name, steps });
  return EXIT.ok;
}

function unknown(name: string, names: readonly string[]): CliError {
  const near = nearest(name, names);
  const hint = near === null ? `providers: ${names.join(', ')}` : `did you mean ${near}?`;
  return new CliError(EXIT.usage, `there is no provider ${plainText(JSON.stringify(name))}`, hint);
}
