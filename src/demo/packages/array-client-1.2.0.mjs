/** What the sample project installs from the package mirror: how a storage array lays out its volumes. */
const EXTENT_MEGABYTES = 256;

export function extentOf(gigabytes) {
  return Math.ceil((gigabytes * 1024) / EXTENT_MEGABYTES);
}
