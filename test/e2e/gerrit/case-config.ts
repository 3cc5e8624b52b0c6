/** The configuration of one case with a real Gerrit, and what its stages run. */
import { basename } from 'node:path';
import type { Sshd } from '../../fixtures/sshd.ts';
import type { RealGerrit } from '../real-gerrit/real-gerrit.ts';

export const ACCOUNT = 'acme-ci';
/** All of them reach this host. */
export const NODE_ADDRESSES = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];

export type Section = Readonly<Record<string, unknown>>;

export interface CaseOptions {
  /** Shell text of the two stages; `note` writes a line to the ledger, `pass` and `fail` a results file. */
  readonly stacking?: string;
  readonly testing?: string;
  /** More keys for the sections of the configuration. */
  readonly gerrit?: Section;
  readonly report?: Section;
  readonly job?: Section;
  readonly top?: Section;
  /** Nodes, and so jobs at the same time: each an address of the real sshd, and a directory. */
  readonly nodes?: number;
  /** More projects that start jobs: `library` gets the name of the first project plus `-library`. */
  readonly projects?: readonly string[];
  /** How long each wait of the case lasts at most; by default a minute. */
  readonly limitMs?: number;
}

/** `wait_for_go` blocks until the test creates the file `go`. */
export const stageHead = (ledger: string, go: string): string => `#!/bin/sh
note() { echo "$SOS_CI_STAGE $SOS_CI_CHANGE,$SOS_CI_PATCHSET $$ $*" >>'${ledger}'; }
wait_for_go() { until [ -e '${go}' ]; do sleep 0.1; done; }
pass() { printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap; }
fail() { printf 'TAP version 14\\n1..1\\nnot ok 1 - a volume can shrink\\n' >results.tap; exit 1; }
note began
`;

interface CaseSetup {
  readonly gerrit: RealGerrit;
  readonly stateDir: string;
  readonly sshd: Sshd;
  /** One directory for each node. */
  readonly nodes: readonly string[];
  readonly projects: readonly string[];
}

/** `more`: keys of the Gerrit section and of jobs that override all others. */
export function caseConfig(
  { gerrit, stateDir, sshd, nodes, projects }: CaseSetup,
  options: CaseOptions,
  more: { readonly gerrit: Section; readonly jobs: Readonly<Record<string, Section>> },
): Section {
  const limits = { setupRetryDelay: '100ms' };
  const job = (project: string, index: number): [string, Section] => {
    const name = `unit-${index + 1}`;
    const section = {
      project,
      provider: 'nodes',
      stacking: { command: ['./stack.sh'], timeout: '10m' },
      testing: { command: ['./test.sh'], timeout: '10m', results: 'results.tap' },
      limits,
    };
    return [name, { ...section, ...options.job, ...more.jobs[name] }];
  };
  return {
    stateDir,
    gerrit: {
      host: gerrit.host,
      port: gerrit.port,
      user: ACCOUNT,
      key: gerrit.keyFile(ACCOUNT),
      knownHosts: gerrit.knownHostsFile,
      postSettleTimeout: '500ms',
      ...options.gerrit,
      ...more.gerrit,
    },
    report: { label: 'Verified', success: 1, failure: -1, ...options.report },
    providers: { nodes: nodesAt(sshd, nodes) },
    jobs: Object.fromEntries(projects.map(job)),
    ...options.top,
  };
}

/** Nodes behind this SSH server, with one address for each directory. */
export function nodesAt({ user, port, keyFile, hostKey }: Sshd, directories: readonly string[]): Section {
  const host = (directory: string, index: number) => ({ host: NODE_ADDRESSES[index], directory, hostKey });
  const hosts = directories.map((directory, index) => [basename(directory), host(directory, index)]);
  return { type: 'static', ssh: { user, port, key: keyFile }, hosts: Object.fromEntries(hosts) };
}
