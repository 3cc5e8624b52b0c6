# Creates a server's directory on a node and checks for the required programs. Sent over standard input to
# `sh -s`.
#
#   TOKEN DIRECTORY    prints `ready`, or `missing` and the missing programs
set -u
umask 077

main() {
  printf '%s\n' "$1"
  missing=
  for program in flock setsid git grep tail head stat mkfifo env; do
    command -v "$program" >/dev/null || missing="$missing $program"
  done
  [ -e /proc/self/environ ] || missing="$missing /proc"
  [ -z "$missing" ] || { echo "missing$missing"; exit 0; }
  mkdir -p "$2" && cd "$2" && mkdir -p tree dependencies home tmp runs || exit 73
  echo ready
} 2>&1

main "$@"; exit
