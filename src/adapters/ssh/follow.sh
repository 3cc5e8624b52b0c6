# Prints the output of a run on a node, and reports how it ended. Sent over standard input to `sh -s`; when that is closed, it
# ends with all its processes.
#
#   TOKEN RUNDIR OFFSET    the token on both outputs, then the log from this byte on; OFFSET `-`: no log; `look`: do not wait
#
# Exit 0: the run has ended, all of the log was printed, and standard error has `BEGAN ENDED NOW` and the text of `rc`. These
# are the times of `pid` and `rc`, and the current time: seconds of the node's clock, with fractions.
# Exit 4: the run is gone without an ending. Exit 3: its state has changed, call again. Exit 5: it still runs (`look`). While
# the run continues, this blocks on the runner's own lock, and after that on the lock of all its processes.
set -u

main() {
  token=$1 dir=$2 offset=$3 showing=
  exec 3<&0
  { cat; kill -s TERM 0; } <&3 3<&- >/dev/null 2>&1 &
  reader=$!
  exec 3<&-
  printf '%s\n' "$token"
  printf '%s\n' "$token" >&2
  [ -d "$dir" ] || leave 4
  if is_free main; then
    if [ -s "$dir/rc" ]; then
      show
      times="$(stat -c %.9Y "$dir/pid") $(stat -c %.9Y "$dir/rc")"
      printf '%s %s ' "$times" "$(date +%s.%N)" >&2
      head -c 64 "$dir/rc" >&2
      leave 0
    elif is_free lock; then
      show
      leave 4
    fi
    waiting=lock
  else
    waiting=main
  fi
  [ "$offset" != look ] || leave 5
  [ -e "$dir/log" ] || true >>"$dir/log"
  if is_shown; then
    tail -c "+$((offset + 1))" -f "$dir/log" 2>/dev/null &
    showing=$!
  fi
  flock -s "$dir/$waiting" true
  [ -z "$showing" ] || kill "$showing"
  leave 3
}

# Tests with a shared lock, because other followers share the lock too.
is_free() {
  flock -n -s "$dir/$1" true 2>/dev/null
}

# Only a regular file is opened, because a test may replace the log.
is_shown() {
  case $offset in *[!0-9]*) return 1 ;; esac
  [ -f "$dir/log" ] && [ ! -L "$dir/log" ]
}

show() {
  ! is_shown || tail -c "+$((offset + 1))" "$dir/log" 2>/dev/null
}

leave() {
  kill "$reader" 2>/dev/null
  exit "$1"
}

main "$@"; exit
