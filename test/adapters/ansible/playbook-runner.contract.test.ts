/**
 * The contract of the runner for playbooks. A script replaces ansible-playbook, because only its start and end
 * matter.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type RunnerHarness, runnerContract } from '../../contracts/runner.ts';
import { needs } from '../../fixtures/needs.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { PlaybookScratch } from './scratch.ts';

const { describe } = needs('sshd');

let sshd: Sshd;
beforeAll(async () => {
  sshd = await Sshd.start();
});
afterAll(() => sshd.close());

describe('playbooks', () => runnerContract('ansible', start));

/** The script writes a failed task like the callback, because the contract only has exit codes. */
async function start(): Promise<RunnerHarness> {
  const scratch = new PlaybookScratch(sshd);
  const failure = { event: 'failed', task: 't', host: 'node', message: 'm', ignored: false, rescued: false };
  scratch.program(
    'ansible-playbook',
    `#!/bin/sh
echo x >>"${scratch.root}/begun"
until [ -s "${scratch.root}/end" ]; do sleep 0.05; done
echo '${JSON.stringify(failure)}' >"$SOS_CI_EVENTS"
exit "$(cat "${scratch.root}/end")"
`,
  );
  return {
    runner: scratch.playbooks(),
    async newRun(stage) {
      const begun = join(scratch.root, 'begun');
      return {
        request: await scratch.play([], {}, stage === undefined ? {} : { stage }),
        finish: (code) => scratch.put('end', String(code)),
        begun: async () => (existsSync(begun) ? readFileSync(begun, 'utf8').length / 2 : 0),
      };
    },
    close: () => scratch.close(),
  };
}
