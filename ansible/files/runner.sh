#!/bin/sh
# Runs one command so that it outlives the process that started it, and records its state in RUNDIR.
#
#   runner.sh RUNDIR WORKDIR TIMEOUT GRACE LIMIT ENDING_TIMEOUT COMMAND [ARGUMENT...]    seconds, LIMIT in bytes
#
#   lock     held (fd 9) by this process and by every process of the command: while it is held, the run is alive
#   main     held (fd 6) by this process only: if it is free, this process has written the ending, or was killed
#   pid      this process; written before the command starts. A run directory with a pid never starts anything again
#   guard    the process that enforces the deadline; SIGTERM to it stops the run, and so does a file `stop` before the start
#   command  the command's process, leader of its own session
#   log      the output of the command, up to LIMIT bytes; the rest is read and dropped, and the last line says so
#   unended  renamed once to ending.REASON by the first to decide how the run ends: `command`, the deadline or a stop.
#            A rename needs no disk space, and only one of several succeeds
#   ended    written by the guard once it has killed the rest of the run
#   reserve  reserved disk space, freed if something must be written and the disk is full
#   group    path of the cgroup with the command and its descendants; only if this account may create one
#   runner.err  errors of the runner itself
#   rc       `exited N`, `killed SIGNAL`, `timedOut` or `stopped`, padded with spaces: it is written over a file whose
#            space is allocated at the start, and renamed to its final name after the log is complete
#
# Exit codes: 69 no flock, 73 no disk space in RUNDIR, 70 any other reason not to start.
#
# Only the command gets SOS_CI_RUN=RUNDIR in its environment. A process belongs to the run if it has this variable, has the
# lock as its fd 9, or is in the group. Needs Linux (/proc), and flock and setsid of util-linux. All code is in functions, so
# that the file can be replaced while it runs.
set -u

main() {
  dir=$1 work=$2 timeout=$3 grace=$4 limit=$5 ending_timeout=$6
  shift 6
  # Not with exec directly: a shell exits if exec or `:` cannot open a file.
  for file in runner.err lock main; do true >>"$dir/$file" || exit 73; done
  exec 2>>"$dir/runner.err" 9>>"$dir/lock" || exit 70
  flock -n 9
  case $? in
    0) [ ! -e "$dir/pid" ] || exit 0 ;;
    1) exit 0 ;;
    *) exit 69 ;;
  esac
  exec 6>>"$dir/main" && flock 6 || exit 70
  # Signals for the run go to the guard; this process must survive to write the ending.
  trap : HUP INT TERM
  reserve || exit 73
  open_group
  open_pipes || exit 70
  put guard "$guard" || exit 70
  put pid "$$" || exit 70
  keep_pid
  # An earlier stop found either no pid (then its file is seen here) or a guard to signal.
  if [ -e "$dir/stop" ] && claim stopped; then
    how=stopped
  else
    run_command "$@"
  fi
  exec 8>&-
  kill -s TERM "$guard" 2>/dev/null
  complete_log
  finish
}

# Writes a line to a file atomically.
put() {
  printf '%s\n' "$2" >"$dir/$1.new" && mv "$dir/$1.new" "$dir/$1"
}

# Reserves the disk space for all that must be written at the end. Random bytes, which no file system can compress.
reserve() {
  head -c 65536 /dev/urandom >"$dir/reserve" && printf '%-10s\n' '' >"$dir/rc.new" && true >"$dir/unended"
}

# A process cannot leave a cgroup by a double fork, a cleared environment or closed descriptors. The cgroup is created below
# our own, for which root or a login with a delegated subtree is needed; otherwise only the mark and the lock are used. Its
# name contains the server's id, so that no other cgroup is mistaken for it, and the runner's pid, so that no two runs have
# the same.
open_group() {
  group='' point='' number=''
  case ${SOS_CI_SERVER-} in '' | *[!A-Za-z0-9._-]*) return ;; esac
  while read -r _ point type _ && [ "$type" != cgroup2 ]; do point=; done </proc/self/mounts
  while IFS=: read -r number _ path && [ "$number" != 0 ]; do number=; done </proc/self/cgroup
  [ -n "$point" ] && [ "$number" = 0 ] && [ -w "$point$path/cgroup.procs" ] || return
  group=$point${path%/}/sos-ci-$SOS_CI_SERVER-${dir##*/}-$$
  mkdir "$group" && put group "$group" || { rmdir "$group"; group=; }
} 2>/dev/null

# The pid must survive a power cut soon after the start, or the command would run a second time. The sync runs in the
# background, because it can block for as long as the disk does.
keep_pid() {
  sync "$dir/pid" "$dir" </dev/null >/dev/null 2>&1 6>&- 7>&- 8>&- 9>&- &
}

# The command runs in the foreground: a shell starts background commands with SIGINT ignored, and tests would inherit that.
run_command() {
  (
    export SOS_CI_RUN="$dir"
    [ -z "$group" ] || { echo 0 >"$group/cgroup.procs"; } 2>/dev/null
    exec setsid sh -c '
      { printf "%s\n" "$$" >"$1/command"; } 2>/dev/null
      [ -e "$1/unended" ] || exit 143
      cd -- "$2" || exit 126
      shift 2
      exec "$@"' sh "$dir" "$work" "$@"
  ) </dev/null >&8 2>&1 6>&- 7>&- 8>&-
  code=$?
  if ! claim command && find_ending; then
    # The guard was first: it kills the rest of the run, and has decided how the run ends.
    exec 8>&-
    while kill -s 0 "$guard" 2>/dev/null && [ ! -e "$dir/ended" ]; do wait "$guard"; done
  elif [ -e "$dir/stop" ]; then
    how=stopped
  elif [ "$code" -gt 128 ] && [ "$code" -le 192 ]; then
    how="killed $((code - 128))"
  else
    how="exited $code"
  fi
}

# fd 7: messages from the helpers to main. fd 8: the command's output, through `drain` to the log. Each helper first closes
# the locks (fd 6 and 9), or the run would seem to be alive. It does so with exec: in a redirection of a function, a shell
# only saves the closed file under another descriptor.
open_pipes() {
  [ ! -e "$dir/words" ] || rm -f "$dir/words" "$dir/output"
  mkfifo "$dir/words" "$dir/output" || return 1
  exec 7<>"$dir/words"
  guard </dev/null &
  guard=$!
  wait_for ready
  drain <"$dir/output" &
  drain=$!
  exec 8>"$dir/output"
  rm -f "$dir/words" "$dir/output"
}

# Reads messages until one of these arrives. A signal can interrupt a read.
wait_for() {
  word=
  until [ -n "$word" ]; do
    read -r word <&7 || :
    case " $* " in *" $word "*) ;; *) word= ;; esac
  done
}

# Succeeds for exactly one caller. 1: another one was first. 2: the rename still fails after ten attempts.
claim() {
  rounds=10
  until mv -f "$dir/unended" "$dir/ending.$1"; do
    [ -e "$dir/unended" ] || return 1
    rounds=$((rounds - 1))
    [ "$rounds" -gt 0 ] || return 2
    rm -f "$dir/reserve"
    sleep 1
  done
} 2>/dev/null

# Finds how the run ends if the guard was first.
find_ending() {
  for how in timedOut stopped; do [ ! -e "$dir/ending.$how" ] || return 0; done
  return 1
}

# cat does not buffer, and the file size limit stops it at LIMIT without counting.
drain() {
  exec 6>&- 9>&-
  blocks=$((limit / 512))
  if (ulimit -f "$blocks" && trap '' XFSZ && exec cat >>"$dir/log") 2>/dev/null; then
    echo drained >&7
    return
  fi
  if [ "$(wc -c <"$dir/log")" -lt $((blocks * 512)) ]; then
    echo unwritten >&7
  elif printf '\n[sos-ci: output past %s bytes was dropped]\n' "$limit" >>"$dir/log"; then
    echo drained >&7
  else
    echo unwritten >&7
  fi
  exec cat >/dev/null 7>&-
}

# Waits for the deadline or SIGTERM, then kills all processes of the run. The timer is a wait for the lock with a time
# limit: it also ends with the run, so that no timer is left when main is killed.
guard() {
  exec 6>&- 9>&-
  why='' alarm=''
  trap 'why=stopped; [ -z "$alarm" ] || kill "$alarm"' TERM
  trap : HUP
  echo ready >&7
  flock -w "$timeout" "$dir/lock" true &
  alarm=$!
  [ -z "$why" ] || kill "$alarm"
  wait "$alarm"
  waited=$?
  # A signal interrupts the wait; the second wait covers the rest of the timer.
  if [ "$waited" -gt 128 ]; then
    wait "$alarm"
    [ "$?" -ne 1 ] || waited=1
  fi
  [ "$waited" -ne 1 ] || why=${why:-timedOut}
  # The rest is killed unless the command has ended first, even if the disk refuses the rename.
  if [ -n "$why" ]; then
    claim "$why"
    [ -e "$dir/ending.command" ] || {
      trap : TERM
      kill_members
      true >"$dir/ended"
    }
  fi
  exit 0
} 2>/dev/null

kill_members() {
  find_members
  signal_members TERM
  rounds=$((grace * 10))
  while [ -n "$members" ] && [ "$rounds" -gt 0 ]; do
    rounds=$((rounds - 1))
    sleep 0.1
    find_members
  done
  rounds=100
  while [ -n "$members" ] && [ "$rounds" -gt 0 ]; do
    rounds=$((rounds - 1))
    signal_members KILL
    sleep 0.1
    find_members
  done
}

find_members() {
  members=
  for file in $(LC_ALL=C grep -lzsxF -e "SOS_CI_RUN=$dir" /proc/[0-9]*/environ); do
    file=${file#/proc/}
    members="$members ${file%/environ}"
  done
  for file in /proc/[0-9]*/fd/9; do
    [ "$file" -ef "$dir/lock" ] || continue
    file=${file#/proc/}
    [ "${file%/fd/9}" = "$$" ] || members="$members ${file%/fd/9}"
  done
  [ -z "$group" ] || for member in $(cat "$group/cgroup.procs" "$group"/*/cgroup.procs); do
    members="$members $member"
  done
}

# Signals the process group too, while the command leads it: a member may have started a process meanwhile.
signal_members() {
  leader=
  [ ! -e "$dir/command" ] || read -r leader <"$dir/command"
  for member in $members; do
    [ "$member" != "$leader" ] || kill -s "$1" -- "-$member"
    kill -s "$1" "$member"
  done
  [ -z "$group" ] || [ "$1" != KILL ] || echo 1 >"$group/cgroup.kill"
}

# Completes the log before the ending is written. The command's end of the pipe closes when it ends, unless a leftover
# process holds it; then a line of ours is sent through the same pipe: once it arrives, so has all output before it.
complete_log() {
  {
    exec 6>&- 9>&-
    flock -w 0.5 "$dir/lock" true
    echo settled >&7
  } &
  settling=$!
  wait_for drained unwritten settled
  [ "$word" = settled ] || return 0
  printf '\n[sos-ci: the command ended; a process that it left behind still holds its output open]\n' 1<>"/proc/$drain/fd/0"
  rounds=100
  until grep -qF -e '[sos-ci: the command ended;' -e '[sos-ci: output ' "$dir/log"; do
    rounds=$((rounds - 1))
    # The leftover process may have ended meanwhile, and the drain with it.
    [ "$rounds" -gt 0 ] && [ -e "/proc/$drain/fd/0" ] || return 0
    sleep 0.1
  done
} 2>/dev/null

# Retries the ending until ENDING_TIMEOUT: without it the run would count as lost. Then waits for the helpers, which end when
# the lock is released, except for a drain that a leftover process still writes to.
finish() {
  rm -f "$dir/reserve"
  [ "$word" != unwritten ] || printf '\n[sos-ci: output was dropped: the log cannot be written]\n' >>"$dir/log"
  rounds=$ending_timeout
  until printf '%-10s\n' "$how" 1<>"$dir/rc.new" && mv -f "$dir/rc.new" "$dir/rc"; do
    rounds=$((rounds - 1))
    [ "$rounds" -gt 0 ] || exit 1
    sleep 1
  done
  exec 6>&- 9>&-
  wait "$guard" "$settling" 2>/dev/null
  [ "$word" = settled ] || wait "$drain"
  # A leftover process keeps the cgroup until the server is removed.
  [ -z "$group" ] || rmdir "$group" 2>/dev/null
  exec sync "$dir/rc" "$dir" 2>/dev/null
}

main "$@"
