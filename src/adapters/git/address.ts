/**
 * Where a project's patchsets are fetched from, checked so that neither a project's name nor a ref that came over the
 * stream can be taken for an option, a helper program or another place.
 */
import { OperationError } from '../../errors.ts';
import type { Patchset } from '../../machines/vocabulary.ts';

export interface FetchFrom {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** With {project} in it; null: the same Gerrit by SSH. */
  readonly fetchUrl: string | null;
}

export interface Address {
  readonly url: string;
  readonly protocol: Protocol;
}

const PROTOCOLS = ['ssh', 'https', 'http', 'file'] as const;
type Protocol = (typeof PROTOCOLS)[number];

const PROJECT = /^[A-Za-z0-9][A-Za-z0-9._+-]*(?:\/[A-Za-z0-9][A-Za-z0-9._+-]*)*$/;
const REF = /^refs\/changes\/\d\d\/\d+\/\d+$/;
const REVISION = /^[0-9a-f]{40}$/;

export function addressOf(gerrit: FetchFrom, project: string): Address {
  const template =
    gerrit.fetchUrl ?? `ssh://${gerrit.user}@${bracketed(gerrit.host)}:${gerrit.port}/{project}`;
  if (!PROJECT.test(project) || project.includes('..')) {
    throw refusal(
      project,
      'this is no project name that can stand in an address',
      'look at the change in Gerrit',
    );
  }
  const url = template.replaceAll('{project}', project);
  const protocol = PROTOCOLS.find((name) => url.startsWith(`${name}://`));
  if (protocol === undefined || !URL.canParse(url)) {
    throw refusal(
      project,
      'gerrit.fetchUrl is no address with ssh, https, http or file',
      'mend gerrit.fetchUrl',
    );
  }
  // A command line can be read by every user of the host.
  if (new URL(url).password !== '') {
    throw refusal(
      project,
      'gerrit.fetchUrl holds a password',
      'fetch by SSH with a key, or without a password',
    );
  }
  return { url, protocol };
}

export function checkPatchset(patchset: Patchset): void {
  const { ref, revision } = patchset;
  if (REF.test(ref) && REVISION.test(revision)) return;
  throw refusal(
    `${patchset.change},${patchset.patchset}`,
    `the ref or the revision of the patchset is not one that Gerrit makes`,
    'look at the change in Gerrit',
  );
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function refusal(target: string, message: string, hint: string): OperationError {
  return new OperationError({ operation: 'fetch patchset', target, message, retryable: false, hint });
}
