#!/usr/bin/env bash
# prepare-systemd.sh ROOT: prepares a Debian root file system to run systemd in namespaces, without hardware and without a
# console. Nova sets up its network.
set -euo pipefail
root=$1
units=$root/etc/systemd/system
for unit in systemd-{udevd,networkd,resolved,timesyncd}.service getty@tty1.service console-getty.service \
  {apt-daily,apt-daily-upgrade,dpkg-db-backup,e2scrub_all,fstrim}.timer; do
  ln -sf /dev/null "$units/$unit"
done
ln -sf /lib/systemd/system/multi-user.target "$units/default.target"
: > "$root/etc/fstab"
rm -f "$root/etc/machine-id" "$root/usr/sbin/policy-rc.d"
chroot "$root" systemd-machine-id-setup > /dev/null 2>&1
printf 'PermitRootLogin prohibit-password\nUseDNS no\n' > "$root/etc/ssh/sshd_config.d/cloud.conf"
