# Prints what a server is, for people. Sent to nodes over standard input to `sh -s`; on this host, run as a file.
#
#   TOKEN    prints it, then `os`, `kernel`, `cpus` and `memory` (KiB), each with its value, as far as they are known
set -u

main() {
  printf '%s\n' "$1"
  printf 'os %s\n' "$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | head -n 1 | tr -d "\"'")"
  printf 'kernel %s\n' "$(uname -rm 2>/dev/null)"
  printf 'cpus %s\n' "$(getconf _NPROCESSORS_ONLN 2>/dev/null)"
  printf 'memory %s\n' "$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo 2>/dev/null)"
}

main "$@"; exit
