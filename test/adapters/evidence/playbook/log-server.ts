/** A publisher that runs the playbooks of the collection, or others, on a host behind a real sshd. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { playbookProgram } from '../../../../src/adapters/ansible/playbook-program.ts';
import { PlaybookPublisher } from '../../../../src/adapters/evidence/playbook/publisher.ts';
import { LocalRuns } from '../../../../src/adapters/local/local-runs.ts';
import { STAGE_BOUNDS } from '../../../fixtures/bounds.ts';
import { findProgram } from '../../../fixtures/programs.ts';
import type { Sshd } from '../../../fixtures/sshd.ts';

/** The settings of a publisher, as JSON for a program of its own. */
export interface PlaybookLogServer {
  readonly stateDir: string;
  readonly inventory: string;
  readonly publish: string;
  readonly expire: string | null;
  readonly searchPath: string;
}

/** @param port another port that leads to the sshd */
export function playbookLogServer(sshd: Sshd, site: string, port = sshd.port): PlaybookLogServer {
  mkdirSync(site, { recursive: true });
  const directory = mkdtempSync(join(sshd.directory, 'playbook-'));
  const knownHosts = join(directory, 'known_hosts');
  writeFileSync(knownHosts, `[127.0.0.1]:${port} ${sshd.hostKey}\n`);
  const host = {
    ansible_host: '127.0.0.1',
    ansible_port: port,
    ansible_user: sshd.user,
    ansible_ssh_private_key_file: sshd.keyFile,
    ansible_ssh_common_args: `-F none -o UserKnownHostsFile=${knownHosts}`,
    // The Python beside ansible-playbook, as the test host may have several.
    ansible_python_interpreter: join(dirname(findProgram('ansible-playbook') ?? '/nowhere/x'), 'python3'),
    publish_root: site,
  };
  const inventory = join(directory, 'hosts.json');
  writeFileSync(inventory, JSON.stringify({ log_server: { hosts: { logs: host } } }));
  const ansible = dirname(findProgram('ansible-playbook') ?? '/nowhere/ansible-playbook');
  return {
    stateDir: join(directory, 'state'),
    inventory,
    publish: 'sos_ci.openstack.publish',
    expire: 'sos_ci.openstack.expire',
    searchPath: `${ansible}:${process.env.PATH}`,
  };
}

export function playbookPublisher({ publish, expire, ...program }: PlaybookLogServer): PlaybookPublisher {
  const host = new LocalRuns({ ...STAGE_BOUNDS, killTimeoutMs: 5_000 });
  return new PlaybookPublisher({
    publish,
    expire,
    run: playbookProgram({ ...program, host, variableFiles: [] }),
  });
}
