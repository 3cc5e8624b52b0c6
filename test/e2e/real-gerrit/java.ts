/**
 * Finds an installed Java for a version of Gerrit: those that JAVA, JAVA21 and JAVA_HOME name, those in the search
 * path, and those in the system's directory. Reads the version from the file `release` of each, so no Java is started.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';

export interface Java {
  readonly program: string;
  readonly major: number;
}

const SYSTEM_DIRECTORY = '/usr/lib/jvm';

/** The oldest Java that is new enough, because each version of Gerrit is tested with the Java of its time. */
export function findJava(oldest: number): Java | null {
  const found = paths().flatMap((program) => {
    const major = majorOf(program);
    return major !== null && major >= oldest ? [{ program, major }] : [];
  });
  return found.sort((one, other) => one.major - other.major)[0] ?? null;
}

function paths(): readonly string[] {
  const { JAVA, JAVA21, JAVA_HOME, PATH = '' } = process.env;
  const named = [JAVA, JAVA21, JAVA_HOME === undefined ? undefined : path.join(JAVA_HOME, 'bin', 'java')];
  const searched = PATH.split(path.delimiter).map((directory) => path.join(directory, 'java'));
  const system = existsSync(SYSTEM_DIRECTORY) ? readdirSync(SYSTEM_DIRECTORY) : [];
  const installed = system.map((name) => path.join(SYSTEM_DIRECTORY, name, 'bin', 'java'));
  const programs = [...named, ...searched, ...installed].filter(
    (path) => path !== undefined && existsSync(path),
  );
  return [...new Set(programs.map((file) => realpathSync(file ?? '')))];
}

/** `JAVA_VERSION="17.0.15"`. */
function majorOf(program: string): number | null {
  const release = path.join(path.dirname(program), '..', 'release');
  if (!existsSync(release)) return null;
  const major = /^JAVA_VERSION="(\d+)/m.exec(readFileSync(release, 'utf8'))?.[1];
  return major === undefined ? null : Number(major);
}
