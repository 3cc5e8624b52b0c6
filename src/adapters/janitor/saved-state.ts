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
/** The ids of each kind are the keys of a mapping. */
const STATE = z.record(z.string(), z.record(z.string(), z.unknown()));
export type State = z.output<typeof STATE>;

/** The ids of each kind. */
export type ResourceIds = Readonly<Record<string, readonly string[]>>;
/** How many resources of each kind there are. */
export type ResourceCounts = Readonly<Record<string, number>>;

export interface SavedState {
  /** saved_state.json as Tempest wrote it. */
  readonly text: string;
  readonly state: State;
}

export function savedStates(stateDir: string): string {
  return join(stateDir, 'saved-states');
}

/** @throws OperationError when it is not what Tempest writes */
export async function readTempestState(file: string): Promise<SavedState> {
  const text = await readBounded(file);
  return { text, state: parseState(text) };
}

/** Resolves to the number of resources of each kind. */
export async function writeSavedState(
  stateDir: string,
  janitor: string,
  identity: CloudIdentity,
  { text: savedState, state }: SavedState,
): Promise<ResourceCounts> {
  const content = { ...pickIdentity(identity), savedState };
  const target = fileOf(stateDir, janitor);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  await writeAtomically(target, JSON.stringify({ ...content, sha256: checksum(content) }));
  return Object.fromEntries(
    Object.entries(state).map(([kind, resources]) => [kind, Object.keys(resources).length]),
  );
}

/** What exists and was not saved. */
export function unsaved(existing: ResourceIds, state: State): ResourceIds {
  return Object.fromEntries(
    Object.entries(existing).map(([kind, ids]) => [
      kind,
      ids.filter((id) => !Object.hasOwn(state[kind] ?? {}, id)),
    ]),
  );
}

/** @throws OperationError when there is none for this cloud */
export async function readSavedState(
  stateDir: string,
  janitor: string,
  identity: CloudIdentity,
): Promise<SavedState> {
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
  return { text: savedState, state: parseState(savedState) };
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

/** Every cloud has resources of these kinds. */
function parseState(text: string): State {
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
