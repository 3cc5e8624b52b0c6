/** `git`: the repositories on this host, in which patches are merged before they are tested. */
import { z } from 'zod';
import type { PreparePlan } from '../../machines/model/domain.ts';
import type { GitCacheConfig } from '../config.ts';
import { flag, size } from '../fields/fields.ts';

export const git = z.strictObject({
  merge: flag({
    default: true,
    about:
      'test the patch merged with the tip of its branch, together with its dependencies; false: as it was uploaded',
  }),
  maxCacheSize: size({
    default: '20GB',
    min: '1MB',
    about:
      'all repositories in total; above it the least recently used are removed. Set it to at least twice the largest project',
  }),
});

type GitFile = z.output<typeof git>;

/** Constants that need no configuration. */
const CACHE = {
  maxProjects: 100,
  /** Each fetch adds a pack; git slows down with hundreds of them. */
  repackThreshold: 50,
  /** The first fetch transfers the whole history: nova takes minutes on a fast line. */
  cloneTimeoutMs: 3_600_000,
  /** A repository that git cannot use is cloned again, but not in a loop when the disk is broken. */
  recloneIntervalMs: 3_600_000,
} as const;

const PREPARE = {
  onlyCurrent: true,
  requiredVote: null,
  /** The comment lists dependencies past the limit as left out. */
  dependencyLimit: 30,
  lookUpTimeoutMs: 60_000,
  /** With a maximum wait of 10 minutes this covers an outage of more than a day. */
  lookUpAttempts: 200,
  /** Gerrit may show a patchset a moment after its event. */
  lookUpRetryMs: 250,
  lookUpRetryMaxMs: 600_000,
  mergeTimeoutMs: 600_000,
  mergeAttempts: 10,
  /** Doubles, at most 64-fold. */
  mergeRetryMs: 2_000,
} as const;

export function buildGitCache({ maxCacheSize }: GitFile): GitCacheConfig {
  return { ...CACHE, maxCacheBytes: maxCacheSize };
}

export function buildPrepare(
  { merge }: GitFile,
  { includeWip, includePrivate }: { readonly includeWip: boolean; readonly includePrivate: boolean },
): PreparePlan {
  return { ...PREPARE, wip: includeWip, private: includePrivate, merge };
}
