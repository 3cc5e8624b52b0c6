/** A confined playbook: which files of this host it can read, and how it ends. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { processesOf, until } from '../local/scratch.ts';
import { PlaybookScratch } from './scratch.ts';

const { describe, it } = needs('sshd', 'ansible-playbook', 'bwrap');

describe('confine: bubblewrap', () => {
  let sshd: Sshd;
  let scratch: PlaybookScratch;
  beforeAll(async () => {
    sshd = await Sshd.start();
  });
  afterAll(() => sshd.close());
  beforeEach(() => {
    scratch = new PlaybookScratch(sshd);
  });
  afterEach(() => scratch.close());

  const onHost = {
    delegate_to: 'localhost',
    vars: { ansible_connection: 'local', ansible_python_interpreter: '{{ ansible_playbook_python }}' },
  };
  const shell = (name: string, text: string, more: object = {}) => ({
    name,
    'ansible.builtin.command': { argv: ['sh', '-c', text, 'sh', scratch.root, scratch.stateDir] },
    ...more,
  });
  const play = (...tasks: readonly object[]) => ({ name: 'Test', hosts: 'node', gather_facts: false, tasks });

  it('hides the rest of the host from the playbook, and reaches the node', async () => {
    const key = scratch.file('gerrit-key', 'the key of Gerrit');
    const roles = scratch.file('roles/ours/tasks/main.yml', '- ansible.builtin.set_fact: {from_role: 7}\n');
    writeFileSync(join(scratch.root, 'other'), 'a file of the daemon');
    mkdirSync(scratch.stateDir, { recursive: true });
    writeFileSync(join(scratch.stateDir, 'sos-ci.db'), 'the log');
    const probe = [
      'for file in "$1/other" "$2/sos-ci.db" "$1/lab/gerrit-key" /root/.bashrc /etc/shadow; do',
      '  [ ! -s "$file" ] || echo "sees $file"; done;',
      '! echo x 2>/dev/null >"$1/lab/written" || echo "writes"; ls /proc | grep -c "^[0-9]" >/dev/null; echo done',
    ].join('\n');
    const request = await scratch.play(
      [
        play(
          { name: 'Role', 'ansible.builtin.include_role': { name: 'ours' } },
          shell('Probe', probe, { ...onHost, register: 'probed' }),
          shell('Report', 'echo "{{ probed.stdout }} {{ from_role }}" >"$1/seen"'),
        ),
      ],
      { confine: 'bubblewrap' },
    );
    expect(existsSync(roles)).toBe(true);
    const handle = await scratch.playbooks([key]).start(request, NEVER);
    expect(await handle.ended, await scratch.log(request)).toMatchObject({ how: 'exited', code: 0 });
    expect(readFileSync(join(scratch.root, 'seen'), 'utf8')).toBe('done 7\n');
    expect(existsSync(join(scratch.operatorDirectory, 'written'))).toBe(false);
  });

  it('ends with all of its processes when it is stopped', async () => {
    const wait = shell('Wait', 'echo x >"$1/begun"; sleep 3600');
    const request = await scratch.play([play(wait)], { confine: 'bubblewrap' });
    const runner = scratch.playbooks();
    const handle = await runner.start(request, NEVER);
    await until('the task', () => existsSync(join(scratch.root, 'begun')));
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toMatchObject({ how: 'stopped' });
    expect(processesOf(`SOS_CI_RUN=${scratch.localRunDirectory(request)}`)).toEqual([]);
  });

  it('is required: without bwrap the playbook does not start', async () => {
    const request = await scratch.play([play()], { confine: 'bubblewrap' });
    scratch.program('ansible-playbook', '#!/bin/sh\nexit 0\n');
    await expect(scratch.playbooks([], scratch.programs).start(request, NEVER)).rejects.toMatchObject({
      message: 'the program bwrap is not installed',
      hint: 'apt-get install bubblewrap',
      retryable: false,
    });
    expect(existsSync(join(scratch.localRunDirectory(request), 'pid'))).toBe(false);
  });
});
