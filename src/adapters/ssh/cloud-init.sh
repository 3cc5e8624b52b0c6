# Waits until cloud-init has finished. Sent over standard input to `sh -s`.
#
#   TOKEN    prints `absent`, `finished`, or cloud-init's description of its failure
set -u

main() {
  printf '%s\n' "$1"
  command -v cloud-init >/dev/null || { echo absent; exit 0; }
  cloud-init status --wait >/dev/null 2>&1 </dev/null
  # 2 means recoverable errors.
  case $? in
    0 | 2) echo finished ;;
    *) cloud-init status --long 2>&1 </dev/null | tail -n 20 ;;
  esac
}

main "$@"; exit
