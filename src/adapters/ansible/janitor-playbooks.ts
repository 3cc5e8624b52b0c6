/** Runs the operator's playbooks as janitors, on this host and without a node. */
import { dirname } from 'node:path';
import type { RunOutcome } from '../../engine/ports/adapters.ts';
import type { JanitorWork } from '../../machines/model/janitor.ts';
import { readFailure } from './events.ts';
import { findAnsible } from './find-ansible.ts';
import { playCommand } from './play-command.ts';
import { eventsFile, writePlainWorkspace } from './workspace.ts';

export interface JanitorPlaybooksOptions {
  readonly stateDir: string;
  /** Where programs are looked for; by default the daemon's PATH. */
  readonly searchPath?: string;
}

type Playbook = Extract<JanitorWork, { playbook: unknown }>['playbook'];

export class AnsibleJanitorPlaybooks {
  readonly #options: JanitorPlaybooksOptions;

  constructor(options: JanitorPlaybooksOptions) {
    this.#options = options;
  }

  async command(directory: string, playbook: Playbook, facts: Readonly<Record<string, unknown>>) {
    const { stateDir, searchPath = process.env.PATH ?? '' } = this.#options;
    const ansible = await findAnsible(stateDir, searchPath);
    const { options, environment } = await writePlainWorkspace(directory, playbook, facts);
    return {
      argv: playCommand(directory, 1, [ansible, ...options, '--', playbook.file]),
      environment: { ...environment, PATH: `${dirname(ansible)}:${searchPath}` },
    };
  }

  async explain(directory: string, outcome: RunOutcome): Promise<RunOutcome> {
    if (outcome.how !== 'exited' || outcome.code === 0) return outcome;
    const failure = await readFailure(eventsFile(directory)).catch(() => null);
    if (failure === null) return outcome;
    const { unreachable: _, ...failedTask } = failure;
    return { ...outcome, failedTask };
  }
}
