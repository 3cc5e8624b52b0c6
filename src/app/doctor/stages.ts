/** Checks what stages need on this host: scripts, playbooks with Ansible, and the secrets that tests can read. */
import { findAnsible, findBubblewrap, readAnsibleVersion } from '../../adapters/ansible/find-ansible.ts';
import { readScript } from '../../adapters/run/script-snapshot.ts';
import type { Config } from '../../config/config.ts';
import { type PlaybookStage, type ScriptStage, STAGES } from '../../machines/model/domain.ts';
import { type Check, type Finding, ok, warning } from './finding.ts';

export function stageChecks(config: Config): readonly Check[] {
  return [...scriptChecks(config), ...playbookChecks(config), ...secretChecks(config)];
}

const READERS: Readonly<Record<string, string>> = {
  anyone: 'everyone who may upload a change',
  requireVote: 'everyone whose change, or a change that it depends on, gets the vote',
  authors: 'every listed uploader, and the owners of changes that theirs depend on',
};

/** Redaction cannot stop a change that sends a secret elsewhere, so doctor warns on each run. */
function secretChecks({ jobs }: Config): readonly Check[] {
  return jobs.flatMap(({ spec, exposesSecretsTo }): readonly Check[] => {
    const secrets = spec.testing.secrets ?? [];
    if (exposesSecretsTo === null || secrets.length === 0) return [];
    const subject = { check: 'secrets', target: `jobs.${spec.name}.secrets` };
    const names = secrets.map(({ name }) => name).join(', ');
    const found = `${READERS[exposesSecretsTo]} can read ${names} and send it elsewhere`;
    return [
      {
        ...subject,
        run: async () => [warning(subject, found, 'limit what the secret permits: docs/stages.md')],
      },
    ];
  });
}

/** Reads each script as the start of its stage does. */
function scriptChecks({ jobs }: Config): readonly Check[] {
  return jobs.flatMap(({ spec }) =>
    STAGES.flatMap((stage): readonly Check[] => {
      const run = spec[stage];
      if (run === null || !('script' in run)) return [];
      const subject = { check: 'script', target: `jobs.${spec.name}.${stage}.script` };
      return [{ ...subject, run: async (signal) => [await scriptFinding(subject, run, signal)] }];
    }),
  );
}

async function scriptFinding(
  subject: Pick<Finding, 'check' | 'target'>,
  { script }: ScriptStage,
  signal: AbortSignal,
): Promise<Finding> {
  const { files, bytes } = await readScript(script, signal);
  return ok(subject, `${files.length} files, ${Math.ceil(bytes / 1024)} KB, are copied to the server`);
}

/** One check for each program: all playbooks share them. */
function playbookChecks({ jobs, logs, janitors, stateDir }: Config): readonly Check[] {
  const all = jobs.flatMap(({ spec }) => [spec.stacking, spec.testing]);
  const playbooks = all.flatMap((run): readonly PlaybookStage['playbook'][] =>
    run !== null && 'playbook' in run ? [run.playbook] : [],
  );
  const onlyOnThisHost =
    logs.destination.type === 'playbook' || janitors.some(({ spec }) => 'playbook' in spec.work);
  if (playbooks.length === 0 && !onlyOnThisHost) return [];
  const subject = { check: 'ansible', target: 'ansible-playbook' };
  const bubblewrap = { check: 'ansible', target: 'bwrap' };
  const confined = playbooks.some(({ confine }) => confine === 'bubblewrap');
  return [
    { ...subject, run: async (signal) => [await ansibleFinding(subject, stateDir, signal)] },
    ...(confined
      ? [
          {
            ...bubblewrap,
            run: async () => [ok(bubblewrap, `playbooks are confined by ${await findBubblewrap()}`)],
          },
        ]
      : []),
  ];
}

async function ansibleFinding(
  subject: Pick<Finding, 'check' | 'target'>,
  stateDir: string,
  signal: AbortSignal,
): Promise<Finding> {
  const program = await findAnsible(stateDir);
  return ok(
    subject,
    `playbooks are run by ${program}, ansible-core ${await readAnsibleVersion(program, signal)}`,
  );
}
