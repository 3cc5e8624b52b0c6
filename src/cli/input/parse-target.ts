/** Parses what an operator's command acts on: a change, one patchset of it, or a job. */
import type { Target } from '../../engine/ports/operator-api.ts';
import type { StoreReader } from '../../engine/ports/store.ts';
import { tryParseChange } from './parse-change.ts';
import { findJob } from './resolve-id.ts';

/** @throws CliError when no job or several jobs match */
export function parseTarget(text: string, reader: StoreReader): Target {
  return tryParseChange(text) ?? { job: findJob(reader, text).id };
}
