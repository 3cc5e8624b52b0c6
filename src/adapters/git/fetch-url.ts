/**
 * Builds fetch URLs and refs. Validates them, so that a project name or ref from the stream cannot act as an option, a
 * helper program or another URL.
 */
import { OperationError } from '../../errors.ts';
import type { Dependency } from '../../machines/model/domain.ts';

export interface FetchFrom {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Contains {project}; null uses the same Gerrit over SSH. */
  readonly fetchUrl: string | null;
}

export interface Address {
  readonly url: string;
  readonly protocol: Protocol;
}

const PROTOCOLS = ['ssh', 'https', 'http', 'file'] as const;
type Protocol = (typeof PROTOCOLS)[number];

const PROJECT = /^[A-Za-z0-9][A-Za-z0-9._+-]*(?:\/[A-Za-z0-9][A-Za-z0-9._+-]*)*$/;
const PROJECT_LENGTH = 200;
const REF = /^refs\/changes\/\d\d\/\d+\/\d+$/;
const REVISION = /^[0-9a-f]{40}$/;
const BRANCH_LENGTH = 200;
/** Refuses what git-check-ref-format(1) refuses, and a leading dash. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern refuses them.
const INVALID_BRANCH = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|^-|^@$|\.$/;

export function addressOf(gerrit: FetchFrom, project: string): Address {
  const template =
    gerrit.fetchUrl ?? `ssh://${gerrit.user}@${bracketed(gerrit.host)}:${gerrit.port}/{project}`;
  if (!PROJECT.test(project) || project.includes('..') || project.length > PROJECT_LENGTH) {
    throw refusal(project, 'this project name cannot be part of a URL', 'check the change in Gerrit');
  }
  const url = template.replaceAll('{project}', project);
  const protocol = PROTOCOLS.find((name) => url.startsWith(`${name}://`));
  if (protocol === undefined || !URL.canParse(url)) {
    throw refusal(project, 'gerrit.fetchUrl is not an ssh, https, http or file URL', 'fix gerrit.fetchUrl');
  }
  // Every user of the host can read command lines.
  if (new URL(url).password !== '') {
    throw refusal(
      project,
      'gerrit.fetchUrl contains a password',
      'fetch by SSH with a key, or without a password',
    );
  }
  return { url, protocol };
}

/** Validates the ref and commit of a tested patchset or a dependency. */
export function checkPatchset({
  change,
  patchset,
  ref,
  revision,
}: Omit<Dependency, 'project' | 'branch'>): void {
  if (REF.test(ref) && REVISION.test(revision)) return;
  throw refusal(
    `${change},${patchset}`,
    "the ref or the revision of the patchset does not have Gerrit's form",
    'check the change in Gerrit',
  );
}

export function checkRevision(revision: string): void {
  if (!REVISION.test(revision)) throw refusal(revision, 'this is not a SHA-1', 'check the change in Gerrit');
}

/** The branch as a full ref that is safe in a refspec: no pattern, no option, nothing that git refuses. */
export function branchRef(project: string, branch: string): string {
  const parts = branch.split('/');
  const isValid = parts.every((part) => part !== '' && !part.startsWith('.') && !part.endsWith('.lock'));
  if (isValid && branch.length <= BRANCH_LENGTH && !INVALID_BRANCH.test(branch))
    return `refs/heads/${branch}`;
  throw refusal(
    `${project} ${JSON.stringify(branch.slice(0, BRANCH_LENGTH))}`,
    'this is not a branch name',
    'check the change in Gerrit',
  );
}

/** The fetched ref does not point to the revision that Gerrit announced. */
export function otherRevision(target: string, wanted: string, fetched: string): OperationError {
  return refusal(
    target,
    `Gerrit reported ${wanted}, the ref points to ${fetched}`,
    'check that gerrit.fetchUrl is the same Gerrit, or a mirror that is up to date',
  );
}

function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function refusal(target: string, message: string, hint: string): OperationError {
  return new OperationError({ operation: 'fetch patchset', target, message, retryable: false, hint });
}
