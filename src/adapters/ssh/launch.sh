# Starts a run on a node, or finds the one that was started before. Sent over standard input to `sh -s`.
#
#   TOKEN RUNDIR WAIT    runs the file `launch` in this directory, unless a run was started in it before. Prints
#                        `started PID`, `found PID`, or `refused` and the reason. WAIT: seconds to wait for the start
set -u
umask 077

main() {
  printf '%s\n' "$1"
  dir=$2 mine=$2/started.$1 started=''
  [ -s "$dir/pid" ] || start "$3"
  rm -f "$mine"
  if [ -s "$dir/pid" ]; then
    read -r pid <"$dir/pid"
    [ "$pid" = "$started" ] && printf 'started ' || printf 'found '
    printf '%s\n' "$pid"
  else
    echo refused
    tail -c 500 "$dir/runner.err"
  fi
}

# Not as a background command: a shell starts those with SIGINT ignored, and tests would inherit that. `launch` writes
# its process id to the given file, and becomes the runner, which exits if another runner has the lock.
start() {
  setsid -f sh "$dir/launch" "$mine" </dev/null >/dev/null 2>>"$dir/runner.err"
  rounds=$(($1 * 20))
  until [ -s "$dir/pid" ] || [ "$rounds" -eq 0 ]; do
    rounds=$((rounds - 1))
    sleep 0.05
    [ -z "$started" ] || kill -s 0 "$started" 2>/dev/null || await_other
    [ ! -s "$mine" ] || read -r started <"$mine"
  done
  [ ! -s "$mine" ] || read -r started <"$mine"
}

# Our runner has ended without writing a pid: the pid of another runner may still appear.
await_other() {
  rounds=$((rounds < 20 ? rounds : 20))
  started=gone
}

main "$@"; exit
