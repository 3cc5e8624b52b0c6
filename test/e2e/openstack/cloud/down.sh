#!/usr/bin/env bash
# Stops the services that up.sh started, by their pid files, and the servers. down.sh SERVICE... stops only these
# services.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# up.sh starts each process as a session leader; any other process has reused the pid.
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
for service in swift cinder nova neutron glance placement keystone; do stop "$service" & done
wait
# The servers outlive Nova. unshare ignores SIGTERM; killing it also kills the processes of the server.
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
