#!/bin/bash
# Stub of DevStack: reads local.conf, downloads what the tree names, clones missing repositories, writes .localrc.auto and a log; refuses to run as root
set -eu
[ "$(id -u)" != 0 ] || exit 10
sudo -n true
cd "$(dirname "$0")"
sed -n '/^\[\[local|localrc\]\]/,/^\[\[/p' local.conf | grep -v '^\[\[' > .localrc.auto
{
  echo "$(id -un) $HOME"
  git -C ../cinder rev-parse HEAD
  [ -d ../nova ] || { mkdir -p ../nova/.git ../data/venv; echo 'cloned nova'; }
  [ ! -d ../os-brick ] || echo 'found os-brick'
} >> ../logs/runs
if [ -e ../cinder/downloads ]; then
  proxy=$(sed -n 's/^http_proxy="\(.*\)"$/\1/p' .localrc.auto)
  http_proxy=$proxy python3 -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=20).read()' "$(cat ../cinder/downloads)"
fi
echo 'stacked' > ../logs/devstacklog.txt.1
ln -sf devstacklog.txt.1 ../logs/devstacklog.txt
touch ../cinder/used-by-stack
mkdir -p ../tempest/etc
printf '[auth]\nadmin_password = secretadmin\n' > ../tempest/etc/tempest.conf
if [ -e ../cinder/fails-to-stack ]; then
  # As the functions err and die do, and the exit trap after them.
  printf '[ERROR] %s\n' 'lib/cinder:1 no driver' 'functions-common:709 git call failed' | tee -a ../logs/error.log
  echo 'sudo: iptables: command not found'
  exit 1
fi
[ ! -e ../cinder/is-replaced ] || git -C ../cinder checkout -q HEAD~1
