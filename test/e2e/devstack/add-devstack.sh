#!/usr/bin/env bash
# add-devstack.sh ROOT DIR: gives a root file system this host's certificate authorities and package sources (reached
# through the proxy of the cloud), a mirror of the repositories in DIR, and stand-ins for what this kernel lacks: NFS
# and iSCSI.
set -euo pipefail
root=$1 checkouts=$2

cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2> /dev/null || true
chroot "$root" update-ca-certificates > /dev/null 2>&1
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
for file in $(grep -lsE '/debian(-security)?/?( |$)' /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources}); do
  cp "$file" "$root${file%/*}/"
done
cat > "$root/etc/apt/apt.conf.d/90cloud" << 'X'
Acquire::http::Proxy "http://192.0.2.1:3128";
Acquire::https::Proxy "http://192.0.2.1:3128";
APT::Install-Recommends "false";
DPkg::Options "--force-unsafe-io";
X
printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\ndisable-pip-version-check = true\nretries = 10\n' > "$root/etc/pip.conf"
cat > "$root/etc/environment" << 'X'
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
LANG=C.UTF-8
REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
PIP_CERT=/etc/ssl/certs/ca-certificates.crt
X
chroot "$root" localedef -i en_US -f UTF-8 en_US.UTF-8

for name in devstack requirements os-test-images tempest keystone glance cinder; do
  to=$root/opt/git/openstack/$name.git
  rm -rf "$to"
  mkdir -p "${to%/*}"
  git -c safe.directory='*' clone --quiet --bare --no-hardlinks "$checkouts/$name" "$to"
  # stack.sh clones the branch master, whatever is checked out in DIR.
  git --git-dir="$to" update-ref refs/heads/master HEAD
  git --git-dir="$to" symbolic-ref HEAD refs/heads/master
done
# The mirror belongs to root; stack.sh runs as another user.
printf '[safe]\n\tdirectory = *\n' > "$root/etc/gitconfig"

# A share is a directory of the same server.
printf '#!/bin/sh\nexec mount --bind "${1#*:}" "$2"\n' > "$root/sbin/mount.nfs"
chmod 755 "$root/sbin/mount.nfs"
mkdir -p "$root/opt/nfs" "$root/opt/images"
chmod 777 "$root/opt/nfs"
truncate -s 1M "$root/opt/images/cirros-0.6.3-x86_64-disk.img"
cat > "$root/etc/systemd/system/iscsid.service" << 'X'
[Unit]
Description=Stands in for open-iscsi: this kernel has no iSCSI
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
X
