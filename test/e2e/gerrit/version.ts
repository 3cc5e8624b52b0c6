/** The version of Gerrit that a run is for. */
import { GERRIT_VERSIONS, type GerritVersion } from '../real-gerrit/jars.ts';

/** @throws Error for one that we do not know */
export function versionOf(wanted: string = GERRIT_VERSIONS[0]): GerritVersion {
  const found = GERRIT_VERSIONS.find((version) => version === wanted);
  if (found === undefined) throw new Error(`there is no Gerrit ${wanted} here`);
  return found;
}

/** vitest.gerrit.config.ts sets it. */
export function wantedVersion(): GerritVersion {
  return versionOf(process.env.SOS_CI_GERRIT_VERSION);
}
