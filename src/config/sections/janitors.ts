/** `janitors`: what cleans up after tests in a cloud or on a back end, and when. */
import { z } from 'zod';
import type { JanitorSpec, JanitorWork } from '../../machines/model/janitor.ts';
import {
  command,
  duration,
  integer,
  optionalCommand,
  optionalDuration,
  optionalText,
  text,
  texts,
} from '../fields/fields.ts';
import { scheduleText } from '../fields/schedule.ts';
import { entryName, environmentName } from '../fields/validators.ts';
import { at, isMapping, type ReportProblem } from '../file/yaml-document.ts';
import { openStackKeys } from './openstack.ts';
import { checkBackendNames } from './queue.ts';
import { isCollectionPlaybook } from './stages.ts';

/** What cleans up after tests, and what starts it besides an operator. */
export interface JanitorConfig {
  readonly spec: JanitorSpec;
  /** Null: it is not started by idle back ends. */
  readonly idleMs: number | null;
  /** In cron's syntax, in UTC; null: none. */
  readonly schedule: string | null;
  readonly threshold: ThresholdConfig | null;
}

/** A program that prints a number, and the number above which the janitor cleans. */
export interface ThresholdConfig {
  readonly argv: readonly string[];
  /** Names of the daemon's environment variables that are passed to it. */
  readonly environment: readonly string[];
  readonly above: number;
  readonly everyMs: number;
  readonly timeoutMs: number;
}

const RUNS = ['command', 'playbook', 'tempest'] as const;
/** More than a run of Tempest leaves behind, and less than a cloud that is in use has. */
const MAX_RESOURCES = 2_000;
/** The kind of janitor to which each key belongs. */
const KIND_OF_KEY = { inventory: 'playbook', variableFiles: 'playbook' } as const;

const threshold = z.strictObject({
  command: command({
    about: "a program on the daemon's host that prints a number; run without a shell",
  }),
  above: integer({ min: 0, max: 1_000_000_000, about: 'the janitor cleans when it prints more than this' }),
  every: duration({ default: '1h', min: '1m', about: 'time between two measurements' }),
  timeout: duration({ default: '1m', min: '1s', max: '10m', about: 'for one measurement' }),
});

const tempest = z.strictObject({
  program: text({ default: 'tempest', kind: 'name or path', about: 'the program; run without a shell' }),
  config: text({
    kind: 'path',
    about: 'tempest.conf; its [identity] and [auth] must name the cloud and project',
  }),
  cloud: openStackKeys.cloud,
  openrc: openStackKeys.openrc,
  project: text({ kind: 'name', about: 'the project that it cleans: admin_project_name of tempest.conf' }),
  maxResources: integer({
    default: MAX_RESOURCES,
    min: 1,
    max: 100_000,
    about: 'delete nothing if a dry run lists more resources than this',
  }),
});

export const janitor = z.strictObject({
  backends: texts({
    kind: 'list of back ends',
    check: entryName,
    about:
      'what it cleans, of those under backends; it has all units of them while it runs, so no job that uses one runs then',
  }),
  command: optionalCommand({
    about: "program and arguments, run on the daemon's host without a shell; exit code 0 is success",
  }),
  playbook: optionalText({
    kind: 'path, or NAMESPACE.COLLECTION.NAME',
    about: "instead of command: a playbook, which ansible-playbook runs on the daemon's host",
  }),
  tempest: tempest.optional(),
  inventory: optionalText({ kind: 'path', about: 'the inventory of the playbook; by default localhost' }),
  variableFiles: texts({
    kind: 'list of paths',
    check: () => null,
    about: 'files with variables for the playbook, such as the credentials for a cloud',
  }),
  environment: texts({
    kind: 'list of names',
    check: environmentName,
    about: "the daemon's environment variables that the programs get, besides PATH, HOME and LANG",
  }),
  idle: optionalDuration({
    min: '1m',
    about: 'clean when no job has used its back ends for this long, once after jobs that have used them',
  }),
  schedule: optionalText({
    kind: "schedule in cron's syntax",
    check: scheduleText,
    about: 'clean at these times, in UTC; 0 4 * * * is each day at 04:00',
  }),
  threshold: threshold.optional(),
  timeout: duration({
    default: '1h',
    min: '1s',
    about: 'for one attempt; then all its processes are killed',
  }),
  attempts: integer({
    default: 2,
    min: 1,
    max: 10,
    about: 'attempts at one cleaning, then an alarm is raised',
  }),
});

/** Constants that need no configuration. */
const LIMITS = {
  retryMs: 60_000,
  /** Longer than the usual job: then a back end is free, or something is wrong. */
  waitMs: 24 * 3_600_000,
  /** The runner on this host must have reported by then. */
  graceMs: 60_000,
  /** Longer than the waits after SIGTERM and SIGKILL together. */
  stopTimeoutMs: 30_000,
  /** About half an hour in total; then an alarm is raised. */
  stopAttempts: 10,
  stopRetryMs: 5_000,
  /** Further output is dropped, and the log says so. */
  outputLimitBytes: 16 * 1024 ** 2,
} as const;

type JanitorFile = z.output<typeof janitor>;
type Resolve = (path: string) => string;

export function buildJanitor(name: string, file: JanitorFile, path: Resolve): JanitorConfig {
  const { backends, timeout, attempts, idle, schedule, environment, threshold: measured } = file;
  const spec: JanitorSpec = {
    name,
    backends,
    work: workOf(file, path),
    timeoutMs: timeout,
    attempts,
    ...LIMITS,
  };
  return {
    spec,
    idleMs: idle,
    schedule,
    threshold:
      measured === undefined
        ? null
        : {
            argv: argvOf(measured.command, path),
            environment,
            above: measured.above,
            everyMs: measured.every,
            timeoutMs: measured.timeout,
          },
  };
}

function workOf(
  { command: argv, playbook, tempest: cleanup, inventory, variableFiles, environment }: JanitorFile,
  path: Resolve,
): JanitorWork {
  if (argv !== null) return { command: argvOf(argv, path), environment };
  if (cleanup !== undefined) {
    const { program, config, cloud, openrc, project, maxResources } = cleanup;
    return {
      tempest: {
        program: program.includes('/') ? path(program) : program,
        config: path(config),
        cloud,
        openrcFile: openrc === null ? null : path(openrc),
        project,
        maxResources,
      },
    };
  }
  if (playbook === null) throw new Error('a janitor that runs nothing passed the checks');
  return {
    playbook: {
      file: isCollectionPlaybook(playbook) ? playbook : path(playbook),
      inventory: inventory === null ? null : path(inventory),
      variableFiles: variableFiles.map(path),
    },
  };
}

/** It starts in its own directory, so a path to the program must not be relative. */
function argvOf([program = '', ...rest]: readonly string[], path: Resolve): readonly string[] {
  return [program.includes('/') ? path(program) : program, ...rest];
}

export function checkJanitors(root: unknown, add: ReportProblem): void {
  const janitors = at(root, ['janitors']);
  if (!isMapping(janitors)) return;
  for (const [name, file] of Object.entries(janitors)) {
    const path = ['janitors', name];
    const wrong = entryName(name);
    if (wrong !== null) add(path, `the name ${wrong.what}`, wrong.next, 'key');
    if (!isMapping(file)) continue;
    checkBackendNames(root, path, add);
    if (!Array.isArray(file.backends) || file.backends.length === 0)
      add(path, 'names no back end, so jobs would run while it cleans', 'add backends: [NAME]');
    const given = RUNS.filter((key) => file[key] !== undefined && file[key] !== null);
    if (given.length === 0)
      add(path, 'has nothing to run', 'add command: [PROGRAM, ARGUMENT], playbook: PATH or tempest: {...}');
    if (given.length > 1)
      add(path, `has ${given.join(' and ')}`, 'a janitor runs one of them: remove the other');
    for (const [key, kind] of Object.entries(KIND_OF_KEY))
      if (file[key] !== undefined && !given.includes(kind))
        add([...path, key], `belongs to a ${kind}`, `add ${kind}: PATH, or remove it`);
    checkTempest(file.tempest, [...path, 'tempest'], add);
  }
}

/** What tempest.conf names is compared with a cloud that the configuration names, never with one of OS_ variables. */
function checkTempest(file: unknown, path: readonly string[], add: ReportProblem): void {
  if (!isMapping(file)) return;
  const given = ['cloud', 'openrc'].filter((key) => file[key] !== undefined && file[key] !== null);
  if (given.length !== 1)
    add(path, given.length === 0 ? 'names no cloud' : 'names two clouds', 'write either cloud or openrc');
}
