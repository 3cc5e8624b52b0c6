#!/usr/bin/env bash
# Stops what up.sh started, by the pids that it noted, and the servers. down.sh SERVICE... stops only these.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# Only a process that leads its own session is one that up.sh started: a pid may have been given out again.
stop() {
  local file=$CLOUD/run/$1.pid pid
  [ -s "$file" ] || return 0
  pid=$(cat "$file")
  if [ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]; then
    kill -TERM "$pid"
    for ((i = 0; i < 50; i++)); do kill -0 "$pid" 2> /dev/null || break; sleep 0.1; done
    kill -KILL -- "-$pid" 2> /dev/null
  fi
  rm -f "$file"
}

if [ $# -gt 0 ]; then
  for service in "$@"; do stop "$service"; done
  exit 0
fi
for service in cinder nova neutron glance placement keystone; do stop "$service" & done
wait
# The servers outlive Nova. unshare ignores SIGTERM, and takes their processes along when it is killed.
for file in "$CLOUD_GUESTS"/*/pid; do
  [ -s "$file" ] || continue
  pid=$(cat "$file") directory=$(dirname "$file")
  [ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ] && kill -KILL "$pid"
  umount -l "$directory/root/dev" "$directory/root" 2> /dev/null
  id=${directory##*/}
  ip netns del "cloud-${id:0:8}" 2> /dev/null
  rm -rf "$directory"
done
stop mariadb
exit 0
