/**
 * `sos-ci completion SHELL` prints a shell's completion script. The script calls the hidden `sos-ci complete -- WORDS`, which
 * prints what may come next: commands, options, and ids and names from the database and the configuration.
 */
import { type Command as Completed, RootCommand, script } from '@bomb.sh/tab';
import type { Argument, Command, Option } from 'commander';
import type { StoreReader } from '../../engine/ports/store.ts';
import { openHolds } from '../../machines/hold/open-holds.ts';
import { plainText } from '../../terminal-text.ts';
import { configFile, type StoreLocation, withReader } from '../input/open-store.ts';
import { shortId } from '../input/resolve-id.ts';

export function completionCommand(shell: string): void {
  script(shell, 'sos-ci', 'sos-ci');
}

/** Each with its description. */
type Values = ReadonlyMap<string, string>;

interface Known {
  readonly ids: Values;
  readonly jobs: Values;
  readonly providers: Values;
  readonly janitors: Values;
  readonly holds: Values;
}

/** @param words what is typed after the name of the program; the last one is being completed */
export async function completeCommand(program: Command, words: readonly string[]): Promise<void> {
  const known = await readKnown(words);
  const root = new RootCommand();
  addOptions(root, program, known);
  addCommands(root, program, '', known);
  root.parse([...words]);
}

function addCommands(root: RootCommand, parent: Command, prefix: string, known: Known): void {
  for (const command of parent.createHelp().visibleCommands(parent)) {
    const path = `${prefix}${command.name()}`;
    const completed = root.command(path, command.description());
    addOptions(completed, command, known);
    for (const argument of command.registeredArguments) addArgument(completed, path, argument, known);
    addCommands(root, command, `${path} `, known);
  }
}

function addOptions(completed: Completed, command: Command, known: Known): void {
  for (const option of command.createHelp().visibleOptions(command)) {
    const name = option.long?.slice(2);
    if (name === undefined) continue;
    const values = valuesOfOption(option, name, known);
    const short = option.short?.slice(1);
    if (values === null) completed.option(name, option.description, short);
    else completed.option(name, option.description, (complete) => offer(values, complete), short);
  }
}

/** Null: it takes no value. */
function valuesOfOption(
  { required, optional, argChoices }: Option,
  name: string,
  known: Known,
): Values | null {
  if (!required && !optional) return null;
  if (argChoices !== undefined) return withoutText(argChoices);
  if (name === 'job') return known.jobs;
  return name === 'provider' ? known.providers : new Map();
}

function addArgument(completed: Completed, path: string, argument: Argument, known: Known): void {
  const values =
    argument.argChoices === undefined
      ? valuesOfArgument(path, argument.name(), known)
      : withoutText(argument.argChoices);
  completed.argument(argument.name(), (complete) => offer(values, complete), argument.variadic);
}

function valuesOfArgument(path: string, name: string, known: Known): Values {
  if (path === 'release') return known.holds;
  if (path.startsWith('alarms')) return new Map();
  switch (name) {
    case 'id':
    case 'what':
      return known.ids;
    case 'name':
      return new Map([...withoutText(['stream', 'voting', 'archive']), ...known.ids]);
    case 'job':
      return known.jobs;
    case 'provider':
      return known.providers;
    case 'janitor':
      return known.janitors;
    default:
      return new Map();
  }
}

/** Bash expands what it is offered, so nothing is offered that a shell would not take as it is. */
const SAFE = /^[\p{L}\p{N}_.@:+,=-]+$/u;

function offer(values: Values, complete: (value: string, description: string) => void): void {
  for (const [value, text] of values) if (SAFE.test(value)) complete(value, plainText(text));
}

function withoutText(values: readonly string[]): Values {
  return new Map(values.map((value) => [value, '']));
}

/** People complete the id of a recent job. */
const MAX_IDS = 100;
const MAX_JOBS = 1_000;
/** These name jobs or providers that may not have run yet. Reading the configuration takes longer than the database. */
const NEEDS_CONFIGURATION = /^(run|enqueue|hold|config|boot-test|--job|--provider)$/;

async function readKnown(words: readonly string[]): Promise<Known> {
  const location = locationOf(words);
  const [stored, configured] = [await storedNames(location), await configuredNames(words, location)];
  return {
    ids: new Map(),
    janitors: new Map(),
    holds: new Map(),
    ...stored,
    jobs: new Map([...(stored?.jobs ?? []), ...(configured?.jobs ?? [])]),
    providers: new Map([...(stored?.providers ?? []), ...(configured?.providers ?? [])]),
  };
}

/** A database or a configuration that is missing or damaged offers nothing: a message would end up in the middle of a line. */
async function storedNames(location: StoreLocation): Promise<Known | null> {
  return withReader(location, namesIn).catch(() => null);
}

function namesIn(reader: StoreReader): Known {
  const jobs = reader.jobs({ limit: MAX_JOBS });
  const ids = jobs.slice(0, MAX_IDS).map(({ id, change, patchset, name, verdict, state }) => {
    return [shortId(id), `${change},${patchset} ${name} ${verdict ?? state}`] as const;
  });
  return {
    ids: new Map(ids),
    jobs: withoutText(jobs.map(({ name }) => name)),
    providers: withoutText(jobs.map(({ provider }) => provider)),
    janitors: withoutText((reader.daemon()?.janitors ?? []).map(({ name }) => name)),
    holds: new Map(openHolds(reader).map(({ hold, by }) => [hold, by])),
  };
}

async function configuredNames(
  words: readonly string[],
  location: StoreLocation,
): Promise<Pick<Known, 'jobs' | 'providers'> | null> {
  if (!words.some((word) => NEEDS_CONFIGURATION.test(word))) return null;
  const { loadConfig } = await import('../../config/load.ts');
  try {
    const { jobs, providers } = loadConfig(configFile(location));
    return {
      jobs: withoutText(jobs.map(({ spec }) => spec.name)),
      providers: withoutText(providers.map(({ name }) => name)),
    };
  } catch {
    return null;
  }
}

function locationOf(words: readonly string[]): StoreLocation {
  const after = (...names: string[]) => words[words.findIndex((word) => names.includes(word)) + 1];
  const has = (...names: string[]) => words.slice(0, -1).some((word) => names.includes(word));
  return {
    ...(has('--state') ? { state: after('--state') } : {}),
    ...(has('-c', '--config') ? { config: after('-c', '--config') } : {}),
  } as StoreLocation;
}
