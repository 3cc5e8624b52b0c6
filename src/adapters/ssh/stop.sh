# Kills processes on a node, even if they resist. Sent over standard input to `sh -s`.
#
#   TOKEN run ID RUNDIR GRACE LIMIT          the run of this server in this directory: first through its guard, then by force
#   TOKEN runs ID RUNDIR GRACE LIMIT         the same for every RUNDIR-NAME of Ansible's module `run`, and prevents new ones
#   TOKEN server ID DIRECTORY GRACE LIMIT    every process with this server's mark; then removes its directory
#   TOKEN hold ID DIRECTORY GRACE LIMIT SECRETS    every process with this server's mark; then removes only its secrets
#
# GRACE: seconds between SIGTERM and SIGKILL; LIMIT: seconds after that. Exit 0: nothing is left. Exit 75: something is left,
# and the output says what. Exit 77: a run belongs to another user, so root is needed. A process belongs to a run or a server
# if it has the mark in its environment, has one of the locks as fd 9, is in the cgroup, or descends from such a process.
# Processes that we may not signal belong to another user and are left alone.
set -u

main() {
  printf '%s\n' "$1"
  verb=$2
  shift 2
  except=$$
  case $verb in
    run) end_run "$@" ;;
    runs) end_runs "$@" ;;
    server) end_server "$@" ;;
    hold) end_processes "$@" && rm -rf "$5" ;;
  esac
}

# Writes `stop` first, so that a concurrent start either sees it or is found here.
end_run() {
  dir=$2 grace=$3 limit=$4
  find_groups "$1" "$dir"
  mkdir -p -m 700 "$dir" && true >"$dir/stop" && marked=yes || marked=no
  # A full disk must not prevent the stop of a run.
  if [ ! -s "$dir/pid" ]; then
    [ "$marked" = yes ] || exit 73
    exit 0
  fi
  if is_ours guard; then
    kill -s TERM "$found"
    rounds=$(((grace + limit) * 5))
    until flock -s -w 0.2 "$dir/main" true || ! is_ours guard || [ "$rounds" -eq 0 ]; do
      rounds=$((rounds - 1))
    done
  fi
  read -r runner <"$dir/pid"
  except="$$ $runner"
  end_members "SOS_CI_RUN=$dir" "$dir/lock"
  flock -s -w "$limit" "$dir/lock" true && exit 0
  # The runner has lost its command and writes no ending: it is stopped or stuck. Killing it makes the run count as lost.
  ! is_ours pid || kill -s KILL "$found"
  flock -s -w "$limit" "$dir/lock" true && exit 0
  echo "its lock is still held"
  exit 75
}

end_runs() {
  id=$1 prefix=$2 grace=$3 limit=$4 failed=0
  mkdir -p -m 700 "${prefix%/*}" && true >"$prefix.stop" || exit 73
  for each in "$prefix"-*; do is_mine "$each" || exit 77; done
  for each in "$prefix"-*; do
    [ ! -d "$each" ] || (end_run "$id" "$each" "$grace" "$limit") || failed=$?
  done
  exit "$failed"
}

# True also for a missing path, and for root.
is_mine() {
  [ ! -e "$1" ] || [ -O "$1" ] || [ "$(id -u)" = 0 ]
}

end_processes() {
  dir=$2 grace=$3 limit=$4
  for run in "$dir"/runs/* "$dir"/runs/*/*; do is_mine "$run" || exit 77; done
  find_groups "$1" "$dir"/runs/* "$dir"/runs/*/*
  end_members "SOS_CI_SERVER=$1" "$dir"/runs/*/lock "$dir"/runs/*/*/lock
}

end_server() {
  # Only a directory with the server's own name is removed.
  [ "${2##*/}" = "$1" ] || exit 64
  end_processes "$@"
  [ -e "$dir" ] || [ -L "$dir" ] || exit 0
  here=
  ! rm -f --one-file-system "$dir/.none" 2>/dev/null || here=--one-file-system
  rm -rf $here "$dir" 2>/dev/null && exit 0
  chmod -R u+rwX "$dir" 2>/dev/null
  rm -rf $here "$dir" 2>&1 | head -n 1
  [ ! -e "$dir" ] || exit 75
}

# ID RUNDIR...: finds the cgroups that runs of this server have named. A test may write anything there, so only a cgroup
# with the server's own name is accepted.
find_groups() {
  id=$1 groups=
  shift
  for run in "$@"; do
    [ -s "$run/group" ] && read -r path <"$run/group" && path=$(cd -P -- "$path" && pwd -P) || continue
    case $path in *[!A-Za-z0-9._@:/-]*) continue ;; */"sos-ci-$id-${run##*/}-"[0-9]*) ;; *) continue ;; esac
    [ "$(stat -f -c %t -- "$path")" != 63677270 ] || groups="$groups $path"
  done
} 2>/dev/null

# Finds the process whose pid a file of the run contains, and checks that the pid was not reused.
is_ours() {
  found=
  [ -s "$dir/$1" ] && read -r found <"$dir/$1" || return 1
  LC_ALL=C grep -qzxF -e "$dir" "/proc/$found/cmdline" 2>/dev/null
}

# MARK LOCK...: SIGTERM, then SIGKILL, until two scans find nothing.
end_members() {
  signalled=' ' empty=0 rounds=0
  while :; do
    find_members "$@"
    if [ -z "$members" ]; then
      empty=$((empty + 1))
      [ "$empty" -lt 2 ] && [ "$signalled" != ' ' ] || { remove_groups; return 0; }
    else
      empty=0
      [ "$rounds" -le "$(((grace + limit) * 10))" ] || break
      signal_members
    fi
    rounds=$((rounds + 1))
    sleep 0.1
  done
  echo "processes are still running:$members"
  exit 75
}

# A process that was just killed may still be in it.
remove_groups() {
  for group in $groups; do
    rounds=20
    rmdir "$group"/*/
    until rmdir "$group" || [ ! -e "$group" ] || [ "$rounds" -eq 0 ]; do
      rounds=$((rounds - 1))
      sleep 0.05
    done
  done
} 2>/dev/null

signal_members() {
  [ "$rounds" -lt "$((grace * 10))" ] || for group in $groups; do echo 1 >"$group/cgroup.kill"; done
  for member in $members; do
    if [ "$rounds" -ge "$((grace * 10))" ]; then
      kill -s KILL "$member"
    else
      case $signalled in *" $member "*) ;; *) kill -s TERM "$member" ;; esac
    fi
    case $signalled in *" $member "*) ;; *) signalled="$signalled$member " ;; esac
  done
} 2>/dev/null

find_members() {
  mark=$1
  shift
  members=
  for file in $(LC_ALL=C grep -lzsxF -e "$mark" /proc/[0-9]*/environ); do
    file=${file#/proc/}
    add "${file%/environ}"
  done
  for lock in "$@"; do
    [ -e "$lock" ] || continue
    for file in /proc/[0-9]*/fd/9; do
      [ "$file" -ef "$lock" ] || continue
      file=${file#/proc/}
      add "${file%/fd/9}"
    done
  done
  for group in $groups; do
    for member in $(cat "$group/cgroup.procs" "$group"/*/cgroup.procs); do add "$member"; done
  done
  [ -z "$members" ] || add_descendants
} 2>/dev/null

# Adds a process that we may signal: not one that has ended, and not another user's.
add() {
  case " $members $except " in *" $1 "*) return ;; esac
  kill -s 0 "$1" 2>/dev/null && ! is_dead "$1" && members="$members $1"
}

is_dead() {
  grep -qs '^State:[[:space:]]*[ZX]' "/proc/$1/status"
}

add_descendants() {
  parents=$(grep -s '^PPid:' /proc/[0-9]*/status)
  before=
  until [ "$before" = "$members" ]; do
    before=$members
    # No here-document: some shells put it into a file, and the disk may be full.
    for word in $parents; do
      case $word in
        /proc/*) child=${word#/proc/} ;;
        *) case " $members " in *" $word "*) add "${child%/status:PPid:}" ;; esac ;;
      esac
    done
  done
}

main "$@"; exit
