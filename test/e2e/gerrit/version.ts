/** The version of Gerrit that the tests run against. */
import { GERRIT_VERSIONS, type GerritVersion } from '../real-gerrit/jars.ts';

/** @throws Error for an unknown version */
export function versionOf(requested: string = GERRIT_VERSIONS[0]): GerritVersion {
  const found = GERRIT_VERSIONS.find((version) => version === requested);
  if (found === undefined)
    throw new Error(`Gerrit ${requested} is not supported: use ${GERRIT_VERSIONS.join(' or ')}`);
  return found;
}

/** vitest.gerrit.config.ts sets it. */
export function wantedVersion(): GerritVersion {
  return versionOf(process.env.SOS_CI_GERRIT_VERSION);
}
