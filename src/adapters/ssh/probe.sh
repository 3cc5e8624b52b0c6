# Inspects a node without changing anything. Sent over standard input to `sh -s`.
#
#   TOKEN DIRECTORY [COMMAND...]
#                      prints, one per line: `missing` and the missing programs; `existing`, the deepest part of DIRECTORY
#                      that exists, and `yes` or `no` for write access to it; `absent` and the indexes, from 0, of the commands
#                      that cannot be run; `free` and the kilobytes on DIRECTORY's file system; `group` and `yes` or `no` for
#                      whether a runner may create a cgroup, tested in the same way
set -u

main() {
  printf '%s\n' "$1"
  missing=
  for program in flock setsid git grep tail head stat mkfifo env df; do
    command -v "$program" >/dev/null || missing="$missing $program"
  done
  [ -e /proc/self/environ ] || missing="$missing /proc"
  echo "missing$missing"
  there=$2
  while [ "$there" != / ] && [ ! -e "$there" ]; do there=${there%/*}; there=${there:-/}; done
  writable=no
  [ -d "$there" ] && [ -w "$there" ] && [ -x "$there" ] && writable=yes
  echo "existing $there $writable"
  shift 2
  index=0 absent=
  for command; do
    [ -f "$command" ] && [ -x "$command" ] || absent="$absent $index"
    index=$((index + 1))
  done
  echo "absent$absent"
  set -- $( { LC_ALL=C df -Pk -- "$there" | tail -n 1; } 2>/dev/null)
  echo "free ${4:-}"
  point='' number=''
  while read -r _ point type _ && [ "$type" != cgroup2 ]; do point=; done </proc/self/mounts
  while IFS=: read -r number _ path && [ "$number" != 0 ]; do number=; done </proc/self/cgroup
  group=no
  [ -n "$point" ] && [ "$number" = 0 ] && [ -w "$point$path/cgroup.procs" ] && group=yes
  echo "group $group"
} 2>&1

main "$@"; exit
