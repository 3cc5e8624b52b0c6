/** Prepares nodes for playbooks over our connection; OpenSSH then reaches them with the same keys. */
import { OperationError } from '../../errors.ts';
import type { SecretValues } from '../../log.ts';
import type { StageRun } from '../../machines/protocol/effects.ts';
import { readJobSecrets } from '../run/job-secrets.ts';
import type { NodeLogin, PlaybookNodes } from '../run/playbook-node.ts';
import { type RunStage, workTree } from '../run/stage-environment.ts';
import type { SshClient } from './client/client.ts';
import { runNodeScript } from './command.ts';
import { NodeFiles } from './files.ts';
import { prepareDirectory } from './prepare.ts';
import { secretsDirectory, sendSecrets } from './send-secrets.ts';
import { remoteDirectory, type StopBounds, stopRun } from './stop-run.ts';

const REMOVE = new URL('./remove.sh', import.meta.url);

export interface SshPlaybookNodesOptions extends StopBounds {
  /** The values that evidence and logs redact. */
  readonly redact: SecretValues;
}

export class SshPlaybookNodes implements PlaybookNodes {
  readonly #options: SshPlaybookNodesOptions;

  constructor(options: SshPlaybookNodesOptions) {
    this.#options = options;
  }

  async prepare({ run, spec }: RunStage, signal: AbortSignal): Promise<NodeLogin> {
    const node = this.#options.nodes.get(run.server);
    const { reconnectTimeoutMs, commandTimeoutMs, keyFile } = node.config;
    const { host, port, user, directory } = node.address;
    const secrets = await readJobSecrets(spec.secrets ?? [], this.#options.redact);
    const remote = remoteDirectory(node, run);
    const task = { operation: 'start stage', timeoutMs: reconnectTimeoutMs, signal };
    await node.using(task, async (connection, within) => {
      await prepareDirectory(connection, directory, commandTimeoutMs, within);
      // If root created it first, the account could not stop the runs in it.
      await NodeFiles.using(connection, commandTimeoutMs, within, (files) =>
        files.makeDirectories(directory, remote.slice(0, remote.lastIndexOf('/'))),
      );
      await sendSecrets(secrets, { connection, server: directory, commandTimeoutMs }, within);
      await removeFiles(spec.removes ?? [], { connection, directory, remote, commandTimeoutMs }, within);
    });
    return {
      ...{ host, port, user, keyFile, directory },
      hostKeys: await node.hostKeys(),
      runDirectory: remote,
      secrets: secrets.length === 0 ? null : secretsDirectory(directory),
    };
  }

  stop(run: StageRun, signal: AbortSignal): Promise<void> {
    return stopRun('runs', run, this.#options, signal);
  }
}

/** Removes earlier results, as the command of any other stage does. */
async function removeFiles(
  paths: readonly string[],
  to: {
    readonly connection: SshClient;
    readonly directory: string;
    readonly remote: string;
    readonly commandTimeoutMs: number;
  },
  signal: AbortSignal,
): Promise<void> {
  if (paths.length === 0) return;
  const { connection, directory, remote, commandTimeoutMs } = to;
  const list = `${remote}.removes`;
  await NodeFiles.using(connection, commandTimeoutMs, signal, (files) =>
    files.put(list, paths.map((path) => `${path}\n`).join('')),
  );
  const command = { operation: 'start stage', script: REMOVE, args: [workTree(directory), list] };
  const { status, output } = await runNodeScript(
    connection,
    { ...command, timeoutMs: commandTimeoutMs },
    signal,
  );
  if (status === 0) return;
  throw new OperationError({
    operation: 'start stage',
    target: connection.target,
    message: `earlier results cannot be removed: ${output.trim().slice(-500) || `exit status ${status}`}`,
    retryable: true,
    hint: 'check the work tree on the node',
  });
}
