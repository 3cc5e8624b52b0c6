/**
 * The state of a clean cloud as `tempest cleanup --init-saved-state` wrote it, in one file with the identity of the cloud
 * and a checksum of both.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { writeAtomically } from '../run/atomic-file.ts';
import { errorCode } from '../run/fs-error.ts';
import { refusal } from './refusal.ts';

/** The cloud and project for which a saved state counts. */
export interface CloudIdentity {
  /** Keystone's v3 API, without a slash at the end. */
  readonly authUrl: string;
  readonly projectId: string;
  readonly region: string;
}

/** A hundred thousand resources take about 7 MB. */
const MAX_BYTES = 16 * 1024 ** 2;

const FILE = z.strictObject({
  authUrl: z.string(),
  projectId: z.string(),
  region: z.string(),
  savedState: z.string(),
  sha256: z.string(),
});
/** Each value is a mapping of the resources of one kind. */
const STATE = z.record(z.string(), z.record(z.string(), z.unknown()));

/** How many resources of each kind a saved state has. */
export type ResourceCounts = Readonly<Record<string, number>>;

export function savedStates(stateDir: string): string {
  return join(stateDir, 'saved-states');
}

/** Resolves to the number of resources of each kind. @throws OperationError when it is not what Tempest writes */
export async function writeSavedState(
  stateDir: string,
  janitor: string,
  identity: CloudIdentity,
  file: string,
): Promise<ResourceCounts> {
  const savedState = await readBounded(file);
  const kinds = Object.entries(parseState(savedState));
  const content = { ...pickIdentity(identity), savedState };
  const target = fileOf(stateDir, janitor);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await writeAtomically(target, JSON.stringify({ ...content, sha256: checksum(content) }));
  return Object.fromEntries(kinds.map(([kind, resources]) => [kind, Object.keys(resources).length]));
}

/** Resolves to the text of saved_state.json. @throws OperationError when there is none for this cloud */
export async function readSavedState(
  stateDir: string,
  janitor: string,
  identity: CloudIdentity,
): Promise<string> {
  const file = fileOf(stateDir, janitor);
  const again = `on the clean cloud, run: sos-ci janitors save ${janitor}`;
  const text = await readBounded(file).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') throw refusal('there is no saved state of the cloud', again);
    throw error;
  });
  const parsed = FILE.safeParse(jsonOf(text));
  if (!parsed.success || parsed.data.sha256 !== checksum(parsed.data))
    throw refusal(`${file} was changed`, again);
  const { savedState, ...saved } = parsed.data;
  for (const key of ['authUrl', 'projectId', 'region'] as const)
    if (saved[key] !== identity[key])
      throw refusal(`${file} was saved for ${key} ${saved[key]}, and this cloud has ${identity[key]}`, again);
  parseState(savedState);
  return savedState;
}

function fileOf(stateDir: string, janitor: string): string {
  return join(savedStates(stateDir), `${janitor}.json`);
}

function pickIdentity({ authUrl, projectId, region }: CloudIdentity): CloudIdentity {
  return { authUrl, projectId, region };
}

function checksum(content: CloudIdentity & { readonly savedState: string }): string {
  const { authUrl, projectId, region, savedState } = content;
  const text = JSON.stringify([authUrl, projectId, region, savedState]);
  return createHash('sha256').update(text).digest('hex');
}

/**
 * Tempest writes an empty list when a service does not answer, and would later take all of its resources for leftovers. Every
 * cloud has resources of these kinds.
 */
function parseState(text: string) {
  const parsed = STATE.safeParse(jsonOf(text));
  const isEmpty = (kind: string) => Object.keys(parsed.data?.[kind] ?? {}).length === 0;
  if (!parsed.success || ['users', 'projects', 'roles'].some(isEmpty))
    throw refusal(
      'saved_state.json does not list the users, projects and roles of the cloud',
      'check the output of: tempest cleanup --init-saved-state',
    );
  return parsed.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readBounded(file: string): Promise<string> {
  const { size } = await stat(file);
  if (size > MAX_BYTES) throw refusal(`${file} is larger than 16 MB`, 'check it: Tempest writes less');
  return readFile(file, 'utf8');
}
