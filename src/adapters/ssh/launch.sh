# Starts a run on a node, or finds the one that was started before. Comes over standard input, to `sh -s`.
#
#   TOKEN RUNDIR WAIT    runs the file `launch` in this directory, unless something was started in it before: says
#                        `started PID`, `found PID`, or `refused` and why. WAIT: seconds until it must stand
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

# Not as a background command: a shell starts those with SIGINT ignored, and tests would inherit that. `launch` says who it
# is in the file that it is given, and becomes the runner, which ends by itself when another one has the lock.
start() {
  setsid -f sh "$dir/launch" "$mine" </dev/null >/dev/null 2>>"$dir/runner.err"
  rounds=$(($1 * 20))
  until [ -s "$dir/pid" ] || [ "$rounds" -eq 0 ]; do
    rounds=$((rounds - 1))
    sleep 0.05
    [ -z "$started" ] || kill -s 0 "$started" 2>/dev/null || others
    [ ! -s "$mine" ] || read -r started <"$mine"
  done
  [ ! -s "$mine" ] || read -r started <"$mine"
}

# It has ended without a pid of its own: another one's is about to come, or none is.
others() {
  rounds=$((rounds < 20 ? rounds : 20))
  started=gone
}

main "$@"; exit
