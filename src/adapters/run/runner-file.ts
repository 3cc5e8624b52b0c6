/** Where runner.sh lies, and what its own exit codes mean. It is one file for this host and for nodes. */
import { fileURLToPath } from 'node:url';

/** Lies beside this file, in the sources and in dist. */
export const RUNNER = fileURLToPath(new URL('./runner.sh', import.meta.url));

/** Its exit code for a missing or unusable flock. */
export const NO_FLOCK = 69;

/** A shorter log could not hold the words about itself. */
export const SHORTEST_LOG_BYTES = 512;
