/**
 * The project that the demo tests: a few lines of real code with a test suite, and the changes that are pushed to it. Its
 * files are in sample/.
 */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const PROJECT = 'demo/volumes';
/** The same files; its changes are tested on servers in OpenStack. */
export const CLOUD_PROJECT = 'demo/cloud-volumes';
export const FAILING_TEST = 'a volume cannot shrink';
/** Its id in subunit. */
export const FAILING_TEST_ID = 'volume.a_volume_cannot_shrink';
/** How long the third change's tests take: long enough to kill and restart a daemon. */
const LONG_SOAK_SECONDS = 5;

export type Files = Readonly<Record<string, string>>;

/** One change: its subject, and the files that it replaces. */
export interface SampleChange {
  readonly subject: string;
  edit(files: Files): Files;
}

export async function sampleFiles(mirror: string): Promise<Files> {
  const directory = fileURLToPath(new URL('./sample/', import.meta.url));
  const files: Record<string, string> = {
    'mirror.json': `${JSON.stringify({ mirror, wait: 5000 })}\n`,
    '.gitignore': 'installed/\nlogs/\nresults.tap\nresults.subunit\n',
  };
  for (const name of (await readdir(directory)).sort()) {
    files[name] = await readFile(`${directory}/${name}`, 'utf8');
  }
  return files;
}

export const CHANGES = {
  passes: {
    subject: 'Report how much of the pool is used',
    edit: (files) => ({
      'volume.mjs': replaced(
        files['volume.mjs'],
        '  create(name',
        '  get used() {\n    return [...this.#volumes.values()].reduce((sum, size) => sum + size, 0);\n  }\n\n  create(name',
      ),
      'volume.test.mjs': `${files['volume.test.mjs']}
test('used and free space add up to the size of the pool', () => {
  pool.create('a', 4);
  assert.equal(pool.used + pool.free, 10);
});
`,
    }),
  },
  fails: {
    subject: 'Extend volumes in one step',
    edit: (files) => ({
      'volume.mjs': replaced(
        files['volume.mjs'],
        /^.*cannot shrink.*\n/m,
        '    // The array reports what it can do.\n',
      ),
    }),
  },
  takesLong: {
    subject: `Soak volumes for ${LONG_SOAK_SECONDS} seconds`,
    edit: () => ({ 'soak.json': `{ "seconds": ${LONG_SOAK_SECONDS} }\n` }),
  },
  /** Edits the same lines as the first change. */
  conflicts: {
    subject: 'Report the number of volumes',
    edit: (files) => ({
      'volume.mjs': replaced(
        files['volume.mjs'],
        '  create(name',
        '  get count() {\n    return this.#volumes.size;\n  }\n\n  create(name',
      ),
    }),
  },
  reworded: {
    subject: 'Report the free space when the pool is full',
    edit: (files) => ({
      'volume.mjs': replaced(
        files['volume.mjs'],
        "'pool is full'",
        '`pool is full, $' + '{this.#free} GB free`',
      ),
    }),
  },
  documented: {
    subject: 'Explain why sizes are whole gigabytes',
    edit: (files) => ({
      'volume.mjs': replaced(
        files['volume.mjs'],
        '\nexport class',
        '\n// The array rounds up anyway.\nexport class',
      ),
    }),
  },
} as const satisfies Record<string, SampleChange>;

/** @throws when the edit changes nothing */
function replaced(text: string | undefined, pattern: string | RegExp, replacement: string): string {
  const result = text?.replace(pattern, () => replacement);
  if (result === undefined || result === text) throw new Error(`the sample project has no ${pattern}`);
  return result;
}
