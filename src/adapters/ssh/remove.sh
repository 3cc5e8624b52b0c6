# Removes leftovers of an earlier run from a work tree. Sent over standard input to `sh -s`.
#
#   TOKEN TREE LIST    LIST: a file with paths relative to the work tree, one per line. Nothing outside of the tree is removed,
#                      even if links lead there
set -u

main() {
  printf '%s\n' "$1"
  cd -P -- "$2" || exit 73
  tree=$(pwd -P)
  while IFS= read -r path; do
    parent=$(cd -P -- "$(dirname -- "./$path")" 2>/dev/null && pwd -P)
    case $parent/ in
      "$tree"/*) rm -rf -- "./$path" || exit 73 ;;
    esac
  done <"$3"
} 2>&1

main "$@"; exit
