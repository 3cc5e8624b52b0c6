/** The microversions that a compute API offers, from its version document, and the comparison of two. */
import { z } from 'zod';

const VERSION = z.object({
  id: z.string(),
  status: z.string().optional(),
  version: z.string().optional(),
  min_version: z.string().optional(),
});
/** The document of one version (200), or of all versions (200 or 300). */
const DOCUMENT = z.union([z.object({ version: VERSION }), z.object({ versions: z.array(VERSION) })]);

export interface Microversions {
  readonly min: string;
  readonly max: string;
}

/** Null when the document names none. */
export function parseMicroversions(body: unknown): Microversions | null {
  const parsed = DOCUMENT.safeParse(body);
  if (!parsed.success) return null;
  const versions = 'version' in parsed.data ? [parsed.data.version] : parsed.data.versions;
  const current = versions.find(({ id }) => id === 'v2.1');
  if (!current?.version || !current.min_version) return null;
  return { min: current.min_version, max: current.version };
}

export function isOffered(wanted: string, { min, max }: Microversions): boolean {
  return compare(min, wanted) <= 0 && compare(wanted, max) <= 0;
}

/** Microversions are two numbers: 2.9 is older than 2.52. */
function compare(one: string, other: string): number {
  const [major = 0, minor = 0] = one.split('.').map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split('.').map(Number);
  return major - otherMajor || minor - otherMinor;
}
