#!/usr/bin/env bash
# remove-installed.sh PREPARED ROOT: copies a root file system that prepare-root.sh made, without the services and the virtual
# environments that stack.sh installed in it, so that a stack downloads them again. The clones and pip's cache go to
# /opt/preseed. Needs root.
set -euo pipefail
prepared=$(realpath "$1") root=$2
copy=$root.new
rm -rf "$copy"
mkdir -p "${root%/*}"
cp -a "$prepared" "$copy"
mkdir "$copy/opt/preseed"
mv "$copy"/opt/stack/{.cache,devstack,glance,keystone,cinder,requirements,tempest,os-test-images} "$copy/opt/preseed/"
rm -rf "$copy/opt/stack"/{*,.my.cnf}
# Otherwise apt would bypass the proxy of a stack.
sed -i '/^Acquire::https\?::Proxy/d' "$copy/etc/apt/apt.conf.d/90cloud"

printf '#!/bin/sh\nexit 101\n' > "$copy/usr/sbin/policy-rc.d"
chmod 755 "$copy/usr/sbin/policy-rc.d"
services='mariadb-(server|client)|rabbitmq-server|erlang-|apache2|libapache2|memcached|libmariadb-dev|postgresql-client'
# shellcheck disable=SC2016
mapfile -t installed < <(chroot "$copy" dpkg-query -W -f '${Package} ${Status}\n' | sed -nE "s/^(($services)[^ ]*) .* installed\$/\1/p")
export DEBIAN_FRONTEND=noninteractive
chroot "$copy" apt-get -y -qq purge "${installed[@]}" > /dev/null
chroot "$copy" apt-get -y -qq autoremove --purge > /dev/null
chroot "$copy" apt-get clean
rm -rf "$copy"/var/lib/apt/lists/* "$copy"/var/lib/{mysql,rabbitmq} "$copy/etc/mysql" "$copy/usr/sbin/policy-rc.d"
mv "$copy" "$root"
