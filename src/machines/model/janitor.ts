/** Janitors: what they clean with, and why. Plain data: all of it is stored in the event log. */

/** What a janitor runs on the daemon's host. Its key determines the kind. */
export type JanitorWork =
  | {
      /** Program and arguments; never passed through a shell. */
      readonly command: readonly string[];
      /** Names of the daemon's environment variables that it gets. */
      readonly environment: readonly string[];
    }
  | {
      readonly playbook: {
        /** Absolute path. */
        readonly file: string;
        /** Absolute path of the operator's inventory; null: only this host. */
        readonly inventory: string | null;
        /** Absolute paths of the operator's files with variables. A later one wins. */
        readonly variableFiles: readonly string[];
      };
    }
  | { readonly tempest: TempestWork };

/** `tempest cleanup`, with the saved state that `janitors save` stored. */
export interface TempestWork {
  /** The program `tempest`: a name on the PATH, or an absolute path. */
  readonly program: string;
  /** Absolute path of tempest.conf. */
  readonly config: string;
  /** The cloud of clouds.yaml that tempest.conf must name. */
  readonly cloud: string | null;
  /** Absolute path of an openrc file, instead of `cloud`. */
  readonly openrcFile: string | null;
  /** The name of the project that tempest.conf must name. */
  readonly project: string;
  /** It deletes nothing if a dry run lists more resources than this. */
  readonly maxResources: number;
}

/** What a janitor runs, in one line. */
export function workText(work: JanitorWork): string {
  if ('command' in work) return work.command.join(' ');
  if ('playbook' in work) return `playbook ${work.playbook.file}`;
  return `${work.tempest.program} cleanup in project ${work.tempest.project}`;
}

/** The configuration of a janitor at the request, stored with it. Holds no secret. */
export interface JanitorSpec {
  readonly name: string;
  /** It has all units of them while it runs. */
  readonly backends: readonly string[];
  readonly work: JanitorWork;
  /** For one attempt. */
  readonly timeoutMs: number;
  readonly attempts: number;
  /** Wait before another attempt; doubled for each further one. */
  readonly retryMs: number;
  /** How long an attempt waits for its back ends. */
  readonly waitMs: number;
  /** How long an attempt may be silent past its timeout before the daemon stops it. */
  readonly graceMs: number;
  readonly stopTimeoutMs: number;
  readonly stopAttempts: number;
  readonly stopRetryMs: number;
  readonly outputLimitBytes: number;
}

/** One attempt of a cleaning. */
export interface JanitorRun {
  readonly janitor: string;
  readonly cleaning: string;
  readonly attempt: number;
}

/** Why a janitor cleans. */
export type CleaningCause =
  | { readonly by: 'operator'; readonly who: string; readonly why: string }
  /** No job has used its back ends for this long. */
  | { readonly by: 'idle'; readonly idleMs: number }
  /** This time of its schedule came. Epoch ms. */
  | { readonly by: 'schedule'; readonly dueAt: number }
  | { readonly by: 'threshold'; readonly measured: number; readonly above: number };

/** `not-run`: it never got its back ends. */
export type CleaningOutcome = 'succeeded' | 'failed' | 'not-run';
