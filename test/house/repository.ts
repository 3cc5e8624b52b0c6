/**
 * Rules for the repository as a whole: pinned versions, numbered migrations, tests that really run, and a code map that
 * names every folder.
 */
import { dirname } from 'node:path';
import type { Source } from './source.ts';

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
}

interface LockFile {
  readonly packages: Readonly<
    Record<string, { readonly version: string; readonly hasInstallScript?: boolean }>
  >;
}

/** Every version is one version, and the lock file holds the same. */
export function pinBreaches(manifest: Manifest, lock: LockFile): string[] {
  return Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).flatMap(
    ([name, version]) => {
      if (!/^\d+\.\d+\.\d+$/.test(version)) return [`${name} ${version} is not one exact version`];
      const locked = lock.packages[`node_modules/${name}`]?.version;
      return locked === version ? [] : [`${name} is pinned to ${version}, the lock file has ${locked}`];
    },
  );
}

/** Every package that has an install script is named, allowed or not, and nothing else is. */
export function scriptBreaches(manifest: Manifest, lock: LockFile): string[] {
  const having = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript === true);
  // Fine-grained file watching on macOS: npm leaves it out everywhere else.
  const names = having
    .map(([path]) => path.replace(/^.*node_modules\//, ''))
    .filter((name) => name !== 'fsevents');
  const decided = Object.keys(manifest.allowScripts);
  return [
    ...names
      .filter((name) => !decided.includes(name))
      .map((name) => `${name} has an install script, and allowScripts is silent`),
    ...decided
      .filter((name) => !names.includes(name))
      .map((name) => `${name} is in allowScripts, and has no script`),
  ];
}

/** NNNN_what_it_does.sql, numbered from 0001 without a gap. */
export function migrationBreaches(names: readonly string[]): string[] {
  return names.flatMap((name, index) => {
    const number = String(index + 1).padStart(4, '0');
    return new RegExp(`^${number}_[a-z0-9]+(_[a-z0-9]+)*\\.sql$`).test(name)
      ? []
      : [`${name} is not ${number}_what_it_does.sql`];
  });
}

/** The only file that skips tests: those that need a missing program. */
const NEEDS = 'test/fixtures/needs.ts';

/** Tests that do not run, and doubles made by a library. */
export function testBreaches(file: Source): string[] {
  const idle = /\b(it|test|describe|suite)(\.\w+)*\.(skip|only|todo|fails|skipIf|runIf)\b/;
  const mocked = /\bvi\.\w+/;
  const lines = file.text.split('\n').flatMap((line, index) => {
    const found = idle.exec(line) ?? mocked.exec(line);
    return found === null || file.path === NEEDS ? [] : [`${file.path}:${index + 1} ${found[0]}`];
  });
  const asserts = /\b(expect|assert|fc|storyTests)\b|contracts\//.test(file.text);
  const silent = file.path.endsWith('.test.ts') && !asserts ? [`${file.path} asserts nothing`] : [];
  const unasked =
    file.path.endsWith('.test.ts') && /\/sshd\.ts'/.test(file.text) && !/\bneeds\('sshd'/.test(file.text)
      ? [`${file.path} starts sshd without needs('sshd')`]
      : [];
  return [...lines, ...silent, ...unasked];
}

/** Words of the place where a file was written, which mean nothing to its reader. */
export function strayBreaches(path: string, text: string, words: readonly string[]): string[] {
  return words.filter((word) => text.includes(word)).map((word) => `${path} mentions ${word}`);
}

/** Folders that the code map does not name, and paths in the document that do not exist. */
export function mapBreaches(markdown: string, files: readonly string[]): string[] {
  const named = [
    ...markdown.matchAll(
      /`((?:src|test|migrations|scripts|\.ci|bench|docs|examples|ansible)\/[A-Za-z0-9_./-]*)`/g,
    ),
  ].map((match) => match[1] ?? '');
  const folders = new Set(files.flatMap(ancestors));
  const mapped = [...folders].filter((folder) =>
    /^(src|migrations|scripts|\.ci|bench|docs|examples|ansible)\//.test(folder),
  );
  return [
    ...mapped
      .filter((folder) => !named.some((name) => covers(name, folder)))
      .map((folder) => `add ${folder}`),
    ...named.filter((name) => !folders.has(name) && !files.includes(name)).map((name) => `remove ${name}`),
  ].sort();
}

/** A folder outside src is named together with what is below it. */
function covers(name: string, folder: string): boolean {
  return name === folder || (!folder.startsWith('src/') && folder.startsWith(name)) || folder === 'src/';
}

/** The folders that hold a file, each with a slash at its end. */
function ancestors(path: string): string[] {
  const folder = dirname(path);
  return folder === '.' ? [] : [`${folder}/`, ...ancestors(folder.slice(0))];
}
