# Sourced by stack.sh.
# die TEXT: leaves the text where DevStack's die does.
die() {
  local message="[ERROR] $0:${BASH_LINENO[0]} $*"
  echo "$message"
  [ -z "${LOGFILE:-}" ] || echo "$message" >> "$(dirname "$LOGFILE")/error.log"
  exit 1
}
# The stand-in has no other services.
disable_all_services() { :; }
enable_service() { :; }
enable_plugin() { :; }
say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

# section PHASE FILE: the lines of [[PHASE|FILE]] in local.conf.
section() {
  awk -v head="[[$1|$2]]" '/^\[\[.*\]\]$/ { on = ($0 == head); next } on' local.conf
}

# All output goes to this file too. local.sh may write to it as well.
start_log() {
  mkdir -p "$(dirname "$1")"
  : > "$1"
  exec > >(tee -a "$1") 2>&1
}

# unit NAME COMMAND...: as DevStack writes and starts them.
unit() {
  local name=$1
  shift
  sudo tee "/etc/systemd/system/devstack@$name.service" > /dev/null << X
[Unit]
Description = Devstack devstack@$name.service
[Service]
User = $USER
ExecStart = /usr/bin/env $*
TimeoutStopSec = 30
[Install]
WantedBy = multi-user.target
X
  sudo systemctl daemon-reload
  sudo systemctl --quiet enable --now "devstack@$name"
}

# answers NAME PORT: waits for any answer over HTTP, for a few minutes at most.
answers() {
  for ((i = 0; i < 900; i++)); do
    curl -s -o /dev/null --max-time 5 "http://127.0.0.1:$2/" && return 0
    systemctl --quiet is-active "devstack@$1" || { journalctl --no-pager -n 20 -u "devstack@$1"; die "$1 has ended"; }
    sleep 0.2
  done
  die "$1: no answer on port $2"
}
