#!/usr/bin/env bash
# Stops and removes the units of stack.sh.
set -euo pipefail
for file in /etc/systemd/system/devstack@*.service; do
  [ -e "$file" ] || continue
  sudo systemctl --quiet disable --now "$(basename "$file")"
  sudo rm -f "$file"
done
sudo systemctl daemon-reload
