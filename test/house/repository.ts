/**
 * Rules for the repository as a whole: pinned versions, numbered migrations, tests that really run, and a code map that
 * names every directory.
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

/** Every dependency is pinned to one exact version, and the lock file has the same version. */
export function pinViolations(manifest: Manifest, lock: LockFile): string[] {
  return Object.entries({ ...manifest.dependencies, ...manifest.devDependencies }).flatMap(
    ([name, version]) => {
      if (!/^\d+\.\d+\.\d+$/.test(version)) return [`${name} ${version} is not one exact version`];
      const locked = lock.packages[`node_modules/${name}`]?.version;
      return locked === version ? [] : [`${name} is pinned to ${version}, the lock file has ${locked}`];
    },
  );
}

/** `allowScripts` lists exactly the packages that have an install script. */
export function scriptViolations(manifest: Manifest, lock: LockFile): string[] {
  const having = Object.entries(lock.packages).filter(([, entry]) => entry.hasInstallScript === true);
  // Fine-grained file watching on macOS: npm leaves it out everywhere else.
  const names = having
    .map(([path]) => path.replace(/^.*node_modules\//, ''))
    .filter((name) => name !== 'fsevents');
  const decided = Object.keys(manifest.allowScripts);
  return [
    ...names
      .filter((name) => !decided.includes(name))
      .map((name) => `${name} has an install script, but is not in allowScripts`),
    ...decided
      .filter((name) => !names.includes(name))
      .map((name) => `${name} is in allowScripts, but has no install script`),
  ];
}

/** NNNN_what_it_does.sql, numbered from 0001 without a gap. */
export function migrationViolations(names: readonly string[]): string[] {
  return names.flatMap((name, index) => {
    const number = String(index + 1).padStart(4, '0');
    return new RegExp(`^${number}_[a-z0-9]+(_[a-z0-9]+)*\\.sql$`).test(name)
      ? []
      : [`${name} is not ${number}_what_it_does.sql`];
  });
}

/** The only file that skips tests: those that need a missing program. */
const NEEDS = 'test/fixtures/needs.ts';

/** Tests that never run or assert nothing, mocks made by a library, and uses of sshd that do not declare it. */
export function testViolations(file: Source): string[] {
  const disabled = /\b(it|test|describe|suite)(\.\w+)*\.(skip|only|todo|fails|skipIf|runIf)\b/;
  const mocked = /\bvi\.\w+/;
  const lines = file.text.split('\n').flatMap((line, index) => {
    const found = disabled.exec(line) ?? mocked.exec(line);
    return found === null || file.path === NEEDS ? [] : [`${file.path}:${index + 1} ${found[0]}`];
  });
  const asserts = /\b(expect|assert|fc|storyTests)\b|contracts\//.test(file.text);
  const withoutAssertion = file.path.endsWith('.test.ts') && !asserts ? [`${file.path} asserts nothing`] : [];
  const undeclared =
    file.path.endsWith('.test.ts') && /\/sshd\.ts'/.test(file.text) && !/\bneeds\('sshd'/.test(file.text)
      ? [`${file.path} starts sshd without needs('sshd')`]
      : [];
  return [...lines, ...withoutAssertion, ...undeclared];
}

/** Paths of the environment where a file was written, which mean nothing to its readers. */
export function environmentViolations(path: string, text: string, words: readonly string[]): string[] {
  return words.filter((word) => text.includes(word)).map((word) => `${path} mentions ${word}`);
}

/** Directories that the code map does not name, and paths in the document that do not exist. */
export function mapViolations(markdown: string, files: readonly string[]): string[] {
  const named = [
    ...markdown.matchAll(
      /`((?:src|test|migrations|scripts|\.ci|bench|docs|examples|ansible)\/[A-Za-z0-9_./-]*)`/g,
    ),
  ].map((match) => match[1] ?? '');
  const directories = new Set(files.flatMap(ancestors));
  const mapped = [...directories].filter((directory) =>
    /^(src|migrations|scripts|\.ci|bench|docs|examples|ansible)\//.test(directory),
  );
  return [
    ...mapped
      .filter((directory) => !named.some((name) => covers(name, directory)))
      .map((directory) => `add ${directory}`),
    ...named
      .filter((name) => !directories.has(name) && !files.includes(name))
      .map((name) => `remove ${name}`),
  ].sort();
}

/** The name of a directory outside src covers its subdirectories as well. */
function covers(name: string, directory: string): boolean {
  return (
    name === directory ||
    (!directory.startsWith('src/') && directory.startsWith(name)) ||
    directory === 'src/'
  );
}

/** The directories that hold a file, each with a slash at its end. */
function ancestors(path: string): string[] {
  const directory = dirname(path);
  return directory === '.' ? [] : [`${directory}/`, ...ancestors(directory.slice(0))];
}
