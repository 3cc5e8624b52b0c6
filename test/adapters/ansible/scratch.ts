/** The setup of tests with playbooks: a node behind a real sshd, playbooks of the operator, and a state directory. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PlaybookRunner } from '../../../src/adapters/ansible/playbook-runner.ts';
import { LocalRuns } from '../../../src/adapters/local/local-runs.ts';
import { SshPlaybookNodes } from '../../../src/adapters/ssh/playbook-nodes.ts';
import type { MergedTree, PlaybookStage, Stage } from '../../../src/machines/model/domain.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { NEVER } from '../../fixtures/never.ts';
import { findProgram } from '../../fixtures/programs.ts';
import type { RunStage } from '../local/scratch.ts';
import { NodeScratch } from '../ssh/scratch.ts';

type Playbook = PlaybookStage['playbook'];

export class PlaybookScratch extends NodeScratch {
  /** The files of the operator. */
  readonly operatorDirectory = join(this.root, 'lab');
  /** A directory of programs that is first in the search path. */
  readonly programs = join(this.root, 'programs');

  playbooks(hidden: readonly string[] = [], searchPath: string | null = null): PlaybookRunner {
    const { stateDir, nodes } = this;
    const redact = { values: ['hunter22'] };
    const bounds = { ...STAGE_BOUNDS, killTimeoutMs: 5_000 };
    const ansible = dirname(findProgram('ansible-playbook') ?? '/nowhere/ansible-playbook');
    return new PlaybookRunner({
      stateDir,
      host: new LocalRuns(bounds),
      nodes: new SshPlaybookNodes({ nodes, redact, ...bounds }),
      others: this.runner({ redact }),
      hidden,
      searchPath: searchPath ?? [this.programs, ansible, process.env.PATH].join(':'),
    });
  }

  /** A stage with these plays, on a node whose host key is pinned, as after a fetch. */
  async play(
    plays: readonly object[],
    more: Partial<Playbook> = {},
    {
      stage = 'testing',
      trees,
      ...limits
    }: { stage?: Stage; trees?: readonly MergedTree[] } & Pick<PlaybookStage, 'secrets' | 'removes'> = {},
  ): Promise<RunStage> {
    const request = this.request([], {}, stage);
    await this.nodes.reach(request.run.server, { operation: 'reach', timeoutMs: 20_000, signal: NEVER });
    const file = this.file('play.yml', JSON.stringify(plays));
    const playbook = {
      file,
      inventory: null,
      variableFiles: [],
      variables: {},
      confine: 'none',
      ...more,
    } as const;
    const spec: PlaybookStage = { playbook, timeoutMs: 120_000, outputLimitBytes: 1024 * 1024, ...limits };
    return { ...request, spec, ...(trees === undefined ? {} : { trees }) };
  }

  /** Writes a file of the operator. */
  file(name: string, text: string): string {
    const file = join(this.operatorDirectory, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  }

  /** Puts a program first in the search path. */
  program(name: string, text: string): void {
    mkdirSync(this.programs, { recursive: true });
    writeFileSync(join(this.programs, name), text);
    chmodSync(join(this.programs, name), 0o755);
  }

  events(request: RunStage): readonly Record<string, unknown>[] {
    const lines = readFileSync(join(this.localRunDirectory(request), 'ansible', 'events.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    return lines.map((line) => JSON.parse(line));
  }
}
