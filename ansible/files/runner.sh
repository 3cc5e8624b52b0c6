#!/bin/sh
# Runs one command so that it outlives whoever asked for it, and leaves in RUNDIR all that one must know about it.
#
#   runner.sh RUNDIR WORKDIR TIMEOUT GRACE LIMIT PATIENCE COMMAND [ARGUMENT...]    seconds, LIMIT in bytes
#
#   lock     held (fd 9) by this process and by all that the command starts: held means that something of it lives
#   main     held (fd 6) by this process alone: free means that it has written the ending, or was killed
#   pid      this process; there before the command is. A run directory with a pid never starts anything again
#   guard    the process that keeps the deadline; SIGTERM to it stops the run. `stop` there beforehand does the same
#   command  the command's process, leader of its own session
#   log      what the command wrote, up to LIMIT bytes; the rest is read and dropped, and the last line says so
#   unended  renamed once to ending.WORD by the first to decide how the run ends: `command`, the deadline or a stop.
#            A rename needs no room on the disk, and only one of several succeeds
#   reserve  room on the disk, given back when something must be written and there is none left
#   group    path of the cgroup that holds the command and all that it starts; only where this account may make one
#   runner.err  what went wrong with the runner itself
#   rc       `exited N`, `killed SIGNAL`, `timedOut` or `stopped`, and spaces: it is written over a file that has its
#            room from the beginning, and renamed into place after the log is complete
#
# Exit codes: 69 no flock, 73 no room in RUNDIR, 70 anything else that keeps it from starting.
#
# The command alone gets SOS_CI_RUN=RUNDIR in its environment; who carries it, has the lock as its fd 9, or is in the
# group, belongs to the run. Needs Linux (/proc), and flock and setsid of util-linux. All of it is functions, so that the file can be
# replaced while it runs.
set -u

main() {
  dir=$1 work=$2 timeout=$3 grace=$4 limit=$5 patience=$6
  shift 6
  # Not by exec at once: a shell ends when exec or `:` cannot open a file.
  for file in runner.err lock main; do true >>"$dir/$file" || exit 73; done
  exec 2>>"$dir/runner.err" 9>>"$dir/lock" || exit 70
  flock -n 9
  case $? in
    0) [ ! -e "$dir/pid" ] || exit 0 ;;
    1) exit 0 ;;
    *) exit 69 ;;
  esac
  exec 6>>"$dir/main" && flock 6 || exit 70
  # Signals meant for the run go to the guard; this process must stay to write the ending.
  trap : HUP INT TERM
  reserve || exit 73
  open_group
  open_pipes || exit 70
  put guard "$guard" || exit 70
  put pid "$$" || exit 70
  keep_pid
  # A stop that came first finds either no pid (then this sees it) or a guard to notify.
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

# A line in a file that appears whole.
put() {
  printf '%s\n' "$2" >"$dir/$1.new" && mv "$dir/$1.new" "$dir/$1"
}

# All that must be written at the end has its room from here on. Random bytes, which no file system compresses.
reserve() {
  head -c 65536 /dev/urandom >"$dir/reserve" && printf '%-10s\n' '' >"$dir/rc.new" && true >"$dir/unended"
}

# Out of a cgroup no process gets by a double fork, a cleared environment or closed descriptors. It is made below our own,
# which only root and a login to which a part of the tree was delegated may do; without it the mark and the lock remain. Its
# name is that of the server, so that nothing else is ever taken for it.
open_group() {
  group='' point='' number=''
  case ${SOS_CI_SERVER-} in '' | *[!A-Za-z0-9._-]*) return ;; esac
  while read -r _ point type _ && [ "$type" != cgroup2 ]; do point=; done </proc/self/mounts
  while IFS=: read -r number _ path && [ "$number" != 0 ]; do number=; done </proc/self/cgroup
  [ -n "$point" ] && [ "$number" = 0 ] && [ -w "$point$path/cgroup.procs" ] || return
  group=$point${path%/}/sos-ci-$SOS_CI_SERVER-${dir##*/}
  mkdir "$group" && put group "$group" || { rmdir "$group"; group=; }
} 2>/dev/null

# A power cut soon after the command has begun must not take the pid, or the command would run a second time. Nobody
# waits for the disk: a sync can stand still for as long as that does.
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
    # The guard was first: it ends the rest of the run, and how it ended is the guard's word.
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

# fd 7: words from the helpers, read by main. fd 8: the command's output, on its way through `drain` to the log.
# Each helper begins by closing the locks (fd 6 and 9), or it would make the run look alive. It does so by exec: around
# a function a shell only puts a closed file aside.
open_pipes() {
  [ ! -e "$dir/words" ] || rm -f "$dir/words" "$dir/output"
  mkfifo "$dir/words" "$dir/output" || return 1
  exec 7<>"$dir/words"
  guard </dev/null &
  guard=$!
  hear ready
  drain <"$dir/output" &
  drain=$!
  exec 8>"$dir/output"
  rm -f "$dir/words" "$dir/output"
}

# Reads words until it hears one of these. A signal can cut a read short.
hear() {
  word=
  until [ -n "$word" ]; do
    read -r word <&7 || :
    case " $* " in *" $word "*) ;; *) word= ;; esac
  done
}

# True for exactly one caller. 1: another one was first. 2: the disk does not allow it, and not for want of room.
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

# How the run ends when the guard was first.
find_ending() {
  for how in timedOut stopped; do [ ! -e "$dir/ending.$how" ] || return 0; done
  return 1
}

# cat writes at once what it reads, and the file size limit stops it at the cap without counting.
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

# Waits for the deadline and for SIGTERM, then ends all that belongs to the run. Waiting for the lock with a time limit
# is a timer that also ends when the run is gone, so that none is left over when main is killed.
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
  # A signal cuts the wait short; the second one takes in what is left of the timer.
  if [ "$waited" -gt 128 ]; then
    wait "$alarm"
    [ "$?" -ne 1 ] || waited=1
  fi
  [ "$waited" -ne 1 ] || why=${why:-timedOut}
  # Only the command's own end keeps it from ending the rest, never a disk.
  if [ -n "$why" ]; then
    claim "$why"
    [ -e "$dir/ending.command" ] || {
      trap : TERM
      end_members
      true >"$dir/ended"
    }
  fi
  exit 0
} 2>/dev/null

end_members() {
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

# The group too, while the command leads it: a member may have started another one since.
signal_members() {
  leader=
  [ ! -e "$dir/command" ] || read -r leader <"$dir/command"
  for member in $members; do
    [ "$member" != "$leader" ] || kill -s "$1" -- "-$member"
    kill -s "$1" "$member"
  done
  [ -z "$group" ] || [ "$1" != KILL ] || echo 1 >"$group/cgroup.kill"
}

# All that the command wrote is in the log before the ending is. Its end of the pipe closes with it, unless it left
# something behind; then a line of ours goes through the same pipe, and what came before it has arrived when it has.
complete_log() {
  {
    exec 6>&- 9>&-
    flock -w 0.5 "$dir/lock" true
    echo settled >&7
  } &
  settling=$!
  hear drained unwritten settled
  [ "$word" = settled ] || return 0
  printf '\n[sos-ci: the command ended; what it left behind still holds its output]\n' 1<>"/proc/$drain/fd/0"
  rounds=100
  until grep -qF -e '[sos-ci: the command ended;' -e '[sos-ci: output ' "$dir/log"; do
    rounds=$((rounds - 1))
    # What it left behind may have ended meanwhile, and the drain with it.
    [ "$rounds" -gt 0 ] && [ -e "/proc/$drain/fd/0" ] || return 0
    sleep 0.1
  done
} 2>/dev/null

# The ending is tried again for as long as PATIENCE says: without it the run would count as lost. Then the helpers are waited
# for (the lock's release ends them), but for a drain that somebody still writes to.
finish() {
  rm -f "$dir/reserve"
  [ "$word" != unwritten ] || printf '\n[sos-ci: output was dropped: the log cannot be written]\n' >>"$dir/log"
  rounds=$patience
  until printf '%-10s\n' "$how" 1<>"$dir/rc.new" && mv -f "$dir/rc.new" "$dir/rc"; do
    rounds=$((rounds - 1))
    [ "$rounds" -gt 0 ] || exit 1
    sleep 1
  done
  exec 6>&- 9>&-
  wait "$guard" "$settling" 2>/dev/null
  [ "$word" = settled ] || wait "$drain"
  # What the command left behind keeps it until the server goes.
  [ -z "$group" ] || rmdir "$group" 2>/dev/null
  exec sync "$dir/rc" "$dir" 2>/dev/null
}

main "$@"
