#!/usr/bin/env bash
# prepare-root.sh ROOT DIR: prepares a Debian root file system with systemd as the image of a DevStack lab. It adds a
# mirror of the repositories in DIR, runs stack.sh in it once with the shipped roles, and takes that DevStack down. What
# remains are clones, packages and virtual environments, so that a server stacks in minutes. Takes 15 minutes or more,
# and can be repeated after a failure. Needs root, ansible-playbook and the package mirrors.
set -euo pipefail
root=$(realpath "$1") checkouts=$(realpath "$2")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cloud=$here/../openstack/cloud
namespace=sos-ci-root-$$
work=$(mktemp -d)
processes=()

stop() {
  for pid in "${processes[@]}"; do kill -KILL "$pid" 2> /dev/null || true; done
  ip netns del "$namespace" 2> /dev/null || true
  rm -rf "$work"
}
trap stop EXIT

"$here/add-devstack.sh" "$root" "$checkouts"
ip netns add "$namespace"
ip -n "$namespace" link set lo up
ip -n "$namespace" addr add 192.0.2.1/32 dev lo
/usr/bin/python3 "$cloud/proxy.py" "$namespace" &
processes+=($!)
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
install -d -m 700 "$root/root/.ssh"
install -m 600 "$work/key.pub" "$root/root/.ssh/authorized_keys"
setsid "$cloud/start-systemd.sh" "$namespace" "$root" devstack &
machine=$!
processes+=("$machine")

options=(-i "$work/key" -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=no -o "UserKnownHostsFile=$work/known_hosts")
# ssh joins its words and a shell splits them again.
node() { ip netns exec "$namespace" ssh "${options[@]}" -o LogLevel=ERROR root@127.0.0.1 "${*@Q}"; }
for ((i = 0; i < 120; i++)); do node true 2> /dev/null && break; sleep 0.5; done
node systemctl is-system-running --wait

export ANSIBLE_HOME=$work/home ANSIBLE_COLLECTIONS_PATH=$work/collections ANSIBLE_NOCOLOR=1
# Its sockets are below the home directory, named by an address that machines in other namespaces have too.
export ANSIBLE_SSH_ARGS='-o ControlMaster=no -o ControlPath=none'
ansible-galaxy collection install --force -p "$work/collections" "$here/../../../ansible" > /dev/null
timeout 7200 ip netns exec "$namespace" ansible-playbook -i 127.0.0.1, -u root --private-key "$work/key" \
  --ssh-common-args "-F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=$work/known_hosts" \
  sos_ci.openstack.stacking -e "@$here/variables.json"
node runuser -l stack -c 'cd devstack && ./unstack.sh' > "$work/unstack.log" 2>&1 || { tail -20 "$work/unstack.log"; exit 1; }
# The connection can break before the command returns.
node systemctl poweroff || true
timeout 300 tail --pid="$machine" -f /dev/null
# What the roles look for on a host that is kept, and what belongs to this run alone.
rm -rf "$root"/opt/stack/{.sos-ci,collected,logs,devstack/.localrc.auto,devstack/.stackenv} "$root"/var/tmp/sos-ci-runs \
  "$root"/root/.{ssh,ansible}
: > "$root/var/log/console.log"
