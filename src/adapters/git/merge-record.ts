/**
 * Records on disk what was merged for each open review: the commits to keep, and how to recreate them if the repository
 * is lost. One small file per review.
 */
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OperationError } from '../../errors.ts';
import type { Dependency, MergedTree } from '../../machines/model/domain.ts';
import { writeAtomically } from '../run/atomic-file.ts';

/** A merged tree with its inputs, in merge order. */
export interface MadeTree extends MergedTree {
  /** Commit time of the branch's tip, seconds since the epoch. */
  readonly baseAt: number;
  readonly patches: readonly Dependency[];
}

const REVIEW = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const SUFFIX = '.json';

export class MergeRecords {
  readonly #directory: string;
  #loaded: Promise<Map<string, readonly MadeTree[]>> | null = null;

  constructor(directory: string) {
    this.#directory = directory;
  }

  async put(review: string, trees: readonly MadeTree[]): Promise<void> {
    const records = await this.#records();
    const file = this.#file(review);
    await writeAtomically(file, `${JSON.stringify(trees)}\n`);
    records.set(review, trees);
  }

  /** Removes the record of a review and returns its trees. */
  async remove(review: string): Promise<readonly MadeTree[]> {
    const records = await this.#records();
    const trees = records.get(review) ?? [];
    await rm(this.#file(review), { force: true });
    records.delete(review);
    return trees;
  }

  async reviews(): Promise<readonly string[]> {
    return [...(await this.#records()).keys()];
  }

  /** How this tree was made, for any review. */
  async find({ project, revision }: MergedTree): Promise<MadeTree | null> {
    for (const trees of (await this.#records()).values()) {
      const found = trees.find((tree) => tree.project === project && tree.revision === revision);
      if (found !== undefined) return found;
    }
    return null;
  }

  /** Commits of this project that must be kept. */
  async revisions(project: string): Promise<ReadonlySet<string>> {
    const trees = [...(await this.#records()).values()].flat();
    return new Set(trees.filter((tree) => tree.project === project).map(({ revision }) => revision));
  }

  #file(review: string): string {
    if (!REVIEW.test(review))
      throw new Error(`a review's id that cannot be a file: ${JSON.stringify(review)}`);
    return join(this.#directory, `${review}${SUFFIX}`);
  }

  #records(): Promise<Map<string, readonly MadeTree[]>> {
    this.#loaded ??= load(this.#directory).catch((error: unknown) => {
      this.#loaded = null;
      throw error instanceof Error ? unreadable(this.#directory, error) : error;
    });
    return this.#loaded;
  }
}

async function load(directory: string): Promise<Map<string, readonly MadeTree[]>> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const records = new Map<string, readonly MadeTree[]>();
  for (const name of await readdir(directory)) {
    const file = join(directory, name);
    const trees = name.endsWith(SUFFIX) ? parse(await readFile(file, 'utf8')) : null;
    // The write was interrupted, so the merge was never reported.
    if (trees === null) await rm(file, { force: true });
    else records.set(name.slice(0, -SUFFIX.length), trees);
  }
  return records;
}

function parse(text: string): readonly MadeTree[] | null {
  try {
    const trees: unknown = JSON.parse(text);
    return Array.isArray(trees) ? trees : null;
  } catch {
    return null;
  }
}

function unreadable(directory: string, cause: Error): OperationError {
  return new OperationError({
    operation: 'read merges',
    target: directory,
    message: cause.message,
    retryable: true,
    hint: 'check that the state directory has free space, and that the daemon owns it',
    cause,
  });
}
