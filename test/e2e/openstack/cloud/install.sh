#!/usr/bin/env bash
# Installs OpenStack from the packages of Debian 12 (Zed) or Ubuntu 24.04 (Caracal), and creates the root file system of the
# servers from the same release. Needs root and the package mirror; does nothing if everything is installed. The code is in
# the python3-* and *-common packages; the service packages are left out because they add only init scripts.
# CLOUD_ROOT_PACKAGES: more packages for the servers, separated by commas. With systemd and systemd-sysv, the servers boot
# systemd.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
. /etc/os-release
export DEBIAN_FRONTEND=noninteractive

packages=(
  python3-{keystone,glance,placement,nova,neutron,cinder,swift} {glance,placement,nova,neutron,cinder}-common
  python3-openstackclient python3-tempest uwsgi-core uwsgi-plugin-python3 mariadb-server curl iproute2 sudo mmdebstrap qemu-utils
  openjdk-17-jre-headless maven python3-venv
)
missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2> /dev/null)" = 'ii ' ] || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  echo "installing ${missing[*]}"
  # The installation starts no service and configures no database.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' > "$policy"; chmod +x "$policy"; trap 'rm -f "$policy"' EXIT; fi
  for name in keystone glance placement nova neutron cinder; do
    echo "$name-common $name/configure_db boolean false"
  done | debconf-set-selections
  apt=(apt-get -o DPkg::Lock::Timeout=600 -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold -y -qq)
  "${apt[@]}" update
  "${apt[@]}" install --no-install-recommends "${missing[@]}"
fi

if [ ! -e "$CLOUD_ROOTFS/etc/ssh/ssh_host_ed25519_key" ]; then
  rm -rf "$CLOUD_ROOTFS"
  mkdir -p "$CLOUD_ROOTFS"
  include=openssh-server,iproute2,git,python3-minimal,sudo${CLOUD_ROOT_PACKAGES:+,$CLOUD_ROOT_PACKAGES}
  components=main
  [ "$ID" = debian ] || components+=,universe
  mmdebstrap --quiet --variant=minbase --components="$components" --aptopt='DPkg::Options "--force-unsafe-io"' --include="$include" --format=tar "$VERSION_CODENAME" - |
    tar -C "$CLOUD_ROOTFS" -x --exclude='./dev/*'
  if [ -e "$CLOUD_ROOTFS/lib/systemd/systemd" ]; then
    "$CLOUD_SCRIPTS/prepare-systemd.sh" "$CLOUD_ROOTFS"
  else
    printf 'PermitRootLogin prohibit-password\nUseDNS no\nUsePAM no\n' > "$CLOUD_ROOTFS/etc/ssh/sshd_config.d/cloud.conf"
  fi
fi
