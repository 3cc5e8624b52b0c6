#!/bin/bash
# overlay.sh DIRECTORY... -- COMMAND...: runs a command as root in a copy-on-write view of this host, in which only the
# directories are shared. Its processes end with it.
set -eu
shared=()
while [ "$1" != -- ]; do shared+=("$1"); shift; done
shift
exec unshare --mount --pid --fork --kill-child --propagation private bash -c '
  set -eu
  count=$1; shift
  top=$(mktemp -d)
  mount -t tmpfs tmpfs "$top"
  mkdir "$top/upper" "$top/work" "$top/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
  for ((number = 0; number < count; number++)); do
    mkdir -p "$top/root$1"; mount --rbind "$1" "$top/root$1"; shift
  done
  mount -t proc proc "$top/root/proc"
  mount --rbind /dev "$top/root/dev"
  exec chroot "$top/root" "$@"' overlay "${#shared[@]}" "${shared[@]}" "$@"
