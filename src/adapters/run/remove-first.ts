/**
 * Wraps a stage's command so that files of an earlier run are not mistaken for its results: they may come from the
 * node's image, an earlier stage or the patch. They are removed by the process that becomes the command, so a run that
 * was already started keeps its results. Only files in the work tree are removed, even if links lead out of it.
 */

/** 126: the stage did not run. */
const SCRIPT = `tree=$(pwd -P) || exit 126
while [ "$1" != -- ]; do
  parent=$(cd -P -- "$(dirname -- "$1")" 2>/dev/null && pwd -P)
  case $parent/ in
    "$tree"/*) rm -rf -- "$1" || exit 126 ;;
  esac
  shift
done
shift
exec "$@"`;

/** @param paths files or directories, relative to the work tree */
export function removeFirst(paths: readonly string[], argv: readonly string[]): readonly string[] {
  const inTree = paths.map((path) => `./${path}`);
  return paths.length === 0 ? argv : ['sh', '-c', SCRIPT, 'sh', ...inTree, '--', ...argv];
}
