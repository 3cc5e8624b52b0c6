#!/usr/bin/env bash
# start-systemd.sh NETNS ROOT HOSTNAME: runs systemd as PID 1 of the file system ROOT, in an existing network namespace and
# in new namespaces of all other kinds. It runs in the foreground until the machine is powered off or this process is killed.
# The console is ROOT/var/log/console.log. Needs cgroup v2.
set -euo pipefail
network=$1 root=$(realpath "$2") name=$3

# `ip netns exec` hides /sys/fs/cgroup.
groups=/run/sos-ci-cgroup
mkdir -p "$groups"
mountpoint -q "$groups" || mount -t cgroup2 none "$groups"
# A control group remains after its processes end. One that has processes cannot be removed.
find "$groups/sos-ci-cloud" -mindepth 1 -depth -type d -exec rmdir {} + 2> /dev/null || true
mkdir -p "$groups/sos-ci-cloud/$network"
echo $$ > "$groups/sos-ci-cloud/$network/cgroup.procs"

# shellcheck disable=SC2016 # expanded by the inner shell
exec ip netns exec "$network" unshare --mount --pid --uts --ipc --cgroup --fork --kill-child bash -c '
set -e
root=$1 name=$2
hostname "$name"
mount --make-rprivate /
# pivot_root needs a mount point.
mountpoint -q "$root" || mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
  IFS=: read -r file major minor <<< "$device"
  mknod -m 666 "dev/$file" c "$major" "$minor"
done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mkdir -p old
pivot_root . old
umount -l /old
exec < /dev/null >> /var/log/console.log 2>&1
printf "127.0.0.1 localhost %s\n" "$name" > /etc/hosts
echo "$name" > /etc/hostname
rm -f /etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
echo "-----BEGIN SSH HOST KEY KEYS-----"
cat /etc/ssh/ssh_host_ed25519_key.pub
echo "-----END SSH HOST KEY KEYS-----"
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb /lib/systemd/systemd --system --show-status=true
' start-systemd "$root" "$name"
