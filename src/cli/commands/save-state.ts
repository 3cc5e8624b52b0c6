/** `sos-ci janitors save JANITOR`: saves the state of the clean cloud for `tempest cleanup`. */
import { saveCloudState } from '../../app/build-janitors.ts';
import { nearest } from '../../config/file/config-error.ts';
import { loadConfig } from '../../config/load.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Io, printJson } from '../output/terminal.ts';

export async function saveStateCommand(
  io: Io,
  file: string,
  name: string,
  flags: { readonly json?: boolean },
): Promise<number> {
  const config = loadConfig(file);
  const names = config.janitors.map(({ spec }) => spec.name);
  const spec = config.janitors.find((one) => one.spec.name === name)?.spec;
  if (spec === undefined) {
    const near = nearest(name, names);
    const hint = near === null ? `janitors: ${names.join(', ')}` : `did you mean ${near}?`;
    throw new CliError(EXIT.usage, `there is no janitor ${plainText(JSON.stringify(name))}`, hint);
  }
  const stop = new AbortController();
  const interrupt = () => stop.abort();
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  let resources: Awaited<ReturnType<typeof saveCloudState>>;
  try {
    resources = await saveCloudState(config, spec, stop.signal);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
  if (flags.json) printJson(io, { janitor: name, resources });
  else {
    const kinds = Object.entries(resources).map(([kind, count]) => `${kind} ${count}`);
    io.out(`saved: ${plainText(kinds.join(', '))}\n`);
    io.out(
      `janitor ${plainText(name)} will delete what is made in this cloud from now on; repeat this after each change that is meant to stay\n`,
    );
  }
  return EXIT.ok;
}
