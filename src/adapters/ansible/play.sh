#!/bin/sh
# Runs ansible-playbook as the command of runner.sh, which sets SOS_CI_RUN.
#
#   play.sh EVENTS TRIES COMMAND [ARGUMENT...]
#
# A kill (by the kernel when memory is short, or by an operator) is not a result. The playbook then starts again, up to
# TRIES times in total, and attaches to its long commands on the node. Leftovers of a try, such as SSH connections, are
# killed with it. Exits with the exit code of the last try.
set -u

main() {
  events=$1 tries=$2
  shift 2
  while :; do
    rm -f "$events"
    "$@"
    code=$?
    kill_rest
    tries=$((tries - 1))
    [ "$code" -eq 137 ] && [ "$tries" -gt 0 ] && [ ! -e "$SOS_CI_RUN/stop" ] || exit "$code"
    echo '[sos-ci: ansible-playbook was killed and starts again]'
  done
}

# Two scans in a row must find nothing: a process may start another one during the first.
kill_rest() {
  rounds=50 empty=0
  while [ "$rounds" -gt 0 ] && [ "$empty" -lt 2 ]; do
    rounds=$((rounds - 1)) empty=$((empty + 1))
    for file in $(LC_ALL=C env -u SOS_CI_RUN grep -lzsxF -e "SOS_CI_RUN=$SOS_CI_RUN" /proc/[0-9]*/environ); do
      pid=${file#/proc/}
      pid=${pid%/environ}
      [ "$pid" = "$$" ] || ! kill -s KILL "$pid" 2>/dev/null || empty=0
    done
    [ "$empty" -gt 0 ] || sleep 0.1
  done
}

main "$@"
