/**
 * Fetches a real Gerrit from Maven Central. There is no war file there, but the two jars of Gerrit's plugin API and
 * acceptance framework together contain the whole server except Bouncy Castle. Each jar is compared with the checksum
 * below before it is used, and is kept in a cache.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

export const GERRIT_VERSIONS = ['3.9.1', '3.12.0'] as const;
export type GerritVersion = (typeof GERRIT_VERSIONS)[number];

/** The oldest Java that runs it. */
export const JAVA_FOR: Readonly<Record<GerritVersion, number>> = { '3.9.1': 17, '3.12.0': 21 };

interface Jar {
  readonly group: string;
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
}

const gerrit = (name: string, version: GerritVersion, sha256: string): Jar => ({
  group: 'com.google.gerrit',
  name,
  version,
  sha256,
});
const bouncyCastle = (name: string, sha256: string): Jar => ({
  group: 'org.bouncycastle',
  name,
  version: '1.78.1',
  sha256,
});

const GERRIT: Readonly<Record<GerritVersion, readonly Jar[]>> = {
  '3.9.1': [
    gerrit('gerrit-plugin-api', '3.9.1', '61b4f368fb2a33494a6afb949d427a1f3e81c2de84cce00ae67aa16ba7d6c7e5'),
    gerrit(
      'gerrit-acceptance-framework',
      '3.9.1',
      '28d6d73a50af086b952b3b6ef9ba9ded45c7c895ce8273f8b6b6c3545f2563f2',
    ),
  ],
  '3.12.0': [
    gerrit('gerrit-plugin-api', '3.12.0', '34351d31ff1a4c64646296c9912aaf07b32e6e005b14940caa1b5e78c56731d5'),
    gerrit(
      'gerrit-acceptance-framework',
      '3.12.0',
      '7350ccacf263bfdb1024d2abb1c1895be195e7b6c6030c5f525fa8f817e6d611',
    ),
  ],
};

const BOUNCY_CASTLE: readonly Jar[] = [
  bouncyCastle('bcprov-jdk18on', 'add5915e6acfc6ab5836e1fd8a5e21c6488536a8c1f21f386eeb3bf280b702d7'),
  bouncyCastle('bcpkix-jdk18on', '4b48ea084e5232b9d79ebca1887b9de037b124931807cd60710748c2aee08cc9'),
  bouncyCastle('bcutil-jdk18on', 'd9fa56f97b0f761ce3bc8d9d74c5d7137a987bf5bd3abfe1003f9bafa45a1d2f'),
  bouncyCastle('bcpg-jdk18on', '1463bb2cb8737e9ae34f5bd93f48e27711365bb277f4918f44608ed89b68792d'),
];

const FETCH_LIMIT_MS = 10 * 60_000;
const MAVEN_PLUGIN = '2.8';

/** The class path of this version; fetches jars that are not cached yet. @throws Error that names what is missing */
export async function fetchGerrit(cache: string, version: GerritVersion): Promise<string> {
  const directory = path.join(cache, 'jars');
  const jars = [...GERRIT[version], ...BOUNCY_CASTLE];
  const missing = jars.filter((jar) => !existsSync(path.join(directory, fileName(jar))));
  if (missing.length > 0) await fetchJars(directory, missing);
  return [
    await versionDirectory(cache, version),
    ...jars.map((jar) => path.join(directory, fileName(jar))),
  ].join(path.delimiter);
}

/** Fetches into a temporary directory first, so that every jar in the cache is complete and verified. */
async function fetchJars(directory: string, jars: readonly Jar[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  const fresh = await mkdtemp(path.join(directory, 'new-'));
  try {
    await writeFile(path.join(fresh, 'pom.xml'), pom(jars, fresh));
    await maven(['-f', path.join(fresh, 'pom.xml'), 'dependency:copy']);
    for (const jar of jars) {
      const sha256 = await checksum(path.join(fresh, fileName(jar)));
      if (sha256 !== jar.sha256)
        throw new Error(`${fileName(jar)} has the SHA-256 ${sha256}, not ${jar.sha256}`);
    }
    for (const jar of jars)
      await rename(path.join(fresh, fileName(jar)), path.join(directory, fileName(jar)));
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** A directory with the file Version. Without it the server reports the version "(dev)", which clients cannot parse. */
async function versionDirectory(cache: string, version: GerritVersion): Promise<string> {
  const root = path.join(cache, `version-${version}`);
  const directory = path.join(root, 'com', 'google', 'gerrit', 'common');
  await mkdir(directory, { recursive: true });
  await writeFile(path.join(directory, 'Version'), version);
  return root;
}

function fileName(jar: Jar): string {
  return `${jar.name}-${jar.version}.jar`;
}

function pom(jars: readonly Jar[], outputDirectory: string): string {
  const tag = (name: string, text: string): string => `<${name}>${text}</${name}>`;
  const items = jars.map((jar) =>
    tag(
      'artifactItem',
      tag('groupId', jar.group) + tag('artifactId', jar.name) + tag('version', jar.version),
    ),
  );
  const configuration = [
    tag('outputDirectory', outputDirectory),
    tag('useBaseVersion', 'true'),
    tag('artifactItems', items.join('\n')),
  ];
  const plugin = [
    tag('groupId', 'org.apache.maven.plugins'),
    tag('artifactId', 'maven-dependency-plugin'),
    tag('version', MAVEN_PLUGIN),
    tag('configuration', configuration.join('\n')),
  ];
  const project = [
    tag('modelVersion', '4.0.0'),
    tag('groupId', 'sos-ci'),
    tag('artifactId', 'gerrit'),
    tag('version', '1'),
    tag('packaging', 'pom'),
    tag('build', tag('plugins', tag('plugin', plugin.join('\n')))),
  ];
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">${project.join('\n')}</project>\n`;
}

function maven(args: readonly string[]): Promise<void> {
  const argv = ['--quiet', '--batch-mode', '-Dstyle.color=never', ...args];
  return new Promise((resolve, reject) => {
    const child = spawn('mvn', argv, { stdio: ['ignore', 'pipe', 'pipe'], timeout: FETCH_LIMIT_MS });
    let output = '';
    const listen = (text: Buffer): void => {
      output = (output + text.toString()).slice(-4000);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('error', () => reject(new Error('Gerrit comes from Maven Central: install Maven (mvn)')));
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`mvn ended with ${code}:\n${output.trim()}`)),
    );
  });
}

async function checksum(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
