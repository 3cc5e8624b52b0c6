# Ends processes on a node, whatever they do against it. Comes over standard input, to `sh -s`.
#
#   TOKEN run ID RUNDIR GRACE LIMIT          the run of this server in this directory: first by its own guard, then by force
#   TOKEN runs ID RUNDIR GRACE LIMIT         the same for every RUNDIR-NAME, which ansible's module `run` makes, and for any to come
#   TOKEN server ID DIRECTORY GRACE LIMIT    everything that carries this server's mark; then removes its directory
#
# GRACE: seconds between SIGTERM and SIGKILL; LIMIT: seconds after that. Exit 0: nothing is left. Exit 75: something is, and
# what is the output. Exit 77: a run belongs to another user, and root has to do it. What belongs to a run or a server carries its mark in the environment, has one of its locks as fd 9,
# is in its cgroup, or descends from such a process. Processes that we may not signal are another user's, and left alone.
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
  esac
}

# `stop` first of all, so that a start that is on its way finds it, or is found here.
end_run() {
  dir=$2 grace=$3 limit=$4
  find_groups "$1" "$dir"
  mkdir -p -m 700 "$dir" && true >"$dir/stop" && marked=yes || marked=no
  # A full disk must not keep a run from being ended.
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
  # It lost its command and still writes no ending: stopped or stuck. Without it the run counts as lost.
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

# Also when it does not exist. Root may do everything.
is_mine() {
  [ ! -e "$1" ] || [ -O "$1" ] || [ "$(id -u)" = 0 ]
}

end_server() {
  dir=$2 grace=$3 limit=$4
  # Nothing but a directory that has the server's own name is ever removed.
  [ "${dir##*/}" = "$1" ] || exit 64
  for run in "$dir"/runs/* "$dir"/runs/*/*; do is_mine "$run" || exit 77; done
  find_groups "$1" "$dir"/runs/* "$dir"/runs/*/*
  end_members "SOS_CI_SERVER=$1" "$dir"/runs/*/lock "$dir"/runs/*/*/lock
  [ -e "$dir" ] || [ -L "$dir" ] || exit 0
  here=
  ! rm -f --one-file-system "$dir/.none" 2>/dev/null || here=--one-file-system
  rm -rf $here "$dir" 2>/dev/null && exit 0
  chmod -R u+rwX "$dir" 2>/dev/null
  rm -rf $here "$dir" 2>&1 | head -n 1
  [ ! -e "$dir" ] || exit 75
}

# ID RUNDIR...: the cgroups that runs of this server have named. A test may write anything there: only a cgroup with the
# server's own name is one.
find_groups() {
  id=$1 groups=
  shift
  for run in "$@"; do
    [ -s "$run/group" ] && read -r path <"$run/group" && path=$(cd -P -- "$path" && pwd -P) || continue
    case $path in *[!A-Za-z0-9._@:/-]*) continue ;; */"sos-ci-$id-${run##*/}") ;; *) continue ;; esac
    [ "$(stat -f -c %t -- "$path")" != 63677270 ] || groups="$groups $path"
  done
} 2>/dev/null

# The process that a file of the run names, as long as it is that process: a pid may be another's by now.
is_ours() {
  found=
  [ -s "$dir/$1" ] && read -r found <"$dir/$1" || return 1
  LC_ALL=C grep -qzxF -e "$dir" "/proc/$found/cmdline" 2>/dev/null
}

# MARK LOCK...: SIGTERM, then SIGKILL, until two looks find nothing.
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
  echo "processes are left:$members"
  exit 75
}

# What was killed a moment ago may still be in it.
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

# Those that we may signal: not the ones that have ended, and no other user's.
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
