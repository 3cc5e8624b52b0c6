/**
 * Rules for the repository as a whole: pinned versions, numbered migrations, tests that mirror the sources, tests
 * that really run, and a map that is complete and true.
 */
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

/** Folders under test/ that are no mirror of src. */
const OWN_FOLDERS = /^test\/(scenarios|contracts|fakes|histories|golden|e2e|hostile|house|samples)\//;

/** test/a/b.test.ts or test/a/b.aspect.test.ts tests src/a/b.ts (or the folder src/a/b, or a script). */
export function mirrorBreaches(testPath: string, files: readonly string[]): string[] {
  if (!testPath.endsWith('.test.ts') || OWN_FOLDERS.test(testPath) || testPath === 'test/house.test.ts')
    return [];
  const stem = testPath.replace(/^test\//, '').replace(/(\.[a-z0-9-]+)?\.test\.ts$/, '');
  const mirrored = files.some(
    (file) => file === `src/${stem}.ts` || file.startsWith(`src/${stem}/`) || file === `${stem}.mjs`,
  );
  return mirrored ? [] : [`${testPath} mirrors no src/${stem}.ts`];
}

/** Tests that do not run, and doubles made by a library. */
export function testBreaches(file: Source): string[] {
  const idle = /\b(it|test|describe|suite)(\.\w+)*\.(skip|only|todo|fails|skipIf|runIf)\b/;
  const mocked = /\bvi\.\w+/;
  const lines = file.text.split('\n').flatMap((line, index) => {
    const found = idle.exec(line) ?? mocked.exec(line);
    return found === null ? [] : [`${file.path}:${index + 1} ${found[0]}`];
  });
  const asserts = /\b(expect|assert|fc|storyTests)\b|contracts\//.test(file.text);
  const silent = file.path.endsWith('.test.ts') && !asserts ? [`${file.path} asserts nothing`] : [];
  return [...lines, ...silent];
}

/** Words of the place where a file was written, which mean nothing to its reader. */
export function strayBreaches(path: string, text: string, words: readonly string[]): string[] {
  return words.filter((word) => text.includes(word)).map((word) => `${path} mentions ${word}`);
}

/** Lines of the map that lead nowhere, and the lines that are missing, ready to be pasted. */
export function mapBreaches(
  markdown: string,
  wanted: readonly string[],
  paragraphOf: (path: string) => string,
): string[] {
  const section = /^## Map\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(markdown)?.[1] ?? '';
  const listed = [...section.matchAll(/^ *- `([^`]+)`: \S.*$/gm)].map((match) => match[1] ?? '');
  return [
    ...wanted
      .filter((path) => !listed.includes(path))
      .map((path) => `add    - \`${path}\`: ${paragraphOf(path)}`),
    ...listed.filter((path) => !wanted.includes(path)).map((path) => `remove - \`${path}\``),
    ...listed.filter((path, index) => listed.indexOf(path) !== index).map((path) => `twice  - \`${path}\``),
  ];
}
