/**
 * Wraps a stage's command so that files of an earlier run cannot pass for results of this one: an image of the node, an
 * earlier stage or the patch may have brought them. They are removed by the process that becomes the command, so a run
 * that was already started keeps its results. Only what is in the work tree is removed, whatever links lead out of it.
 */

/** 126: the stage did not run. */
const SCRIPT = `tree=$(pwd -P) || exit 126
while [ "$1" != -- ]; do
  folder=$(cd -P -- "$(dirname -- "$1")" 2>/dev/null && pwd -P)
  case $folder/ in
    "$tree"/*) rm -rf -- "$1" || exit 126 ;;
  esac
  shift
done
shift
exec "$@"`;

/** @param paths files or folders, relative to the work tree */
export function removeFirst(paths: readonly string[], argv: readonly string[]): readonly string[] {
  const inTree = paths.map((path) => `./${path}`);
  return paths.length === 0 ? argv : ['sh', '-c', SCRIPT, 'sh', ...inTree, '--', ...argv];
}
