#!/usr/bin/env python3
"""A pool of hosts by plain Python and ssh, for the provider `command` of sos-ci.

    pool.py create|list|delete POOL.json

POOL.json:

    {
      "records": "/var/lib/pool",                    records which server has which host
      "key": "/etc/sos-ci/node-key",                 private key for the login on the hosts
      "knownHosts": "/etc/sos-ci/known_hosts",       their host keys
      "directory": "/var/tmp/sos-ci",                on the hosts
      "prepare": ["/etc/sos-ci/salt-ssh/prepare"],   optional: runs here with the name of the host, before a job gets it
      "hosts": {"node1": {"host": "10.0.0.11", "port": 22, "user": "stack"}}
    }

A host on which the login or `prepare` fails is skipped. When a server is deleted, every process with its mark is killed and
its directory is removed; until that succeeds, the host stays leased and is listed.
"""

import json
import os
import secrets
import subprocess
import sys

sys.dont_write_bytecode = True
from records import Records, answer, give_up, request  # noqa: E402

# Kills the processes with the server's mark ($1) until two searches find none, and removes its directory ($2).
CLEAR = r"""
quiet=0 rounds=100
while [ "$quiet" -lt 2 ] && [ "$rounds" -gt 0 ]; do
  rounds=$((rounds - 1))
  found=$(LC_ALL=C grep -lzsxF -e "SOS_CI_SERVER=$1" /proc/[0-9]*/environ | tr -dc '0-9\n')
  [ -n "$found" ] || quiet=$((quiet + 1))
  for pid in $found; do quiet=0; kill -9 "$pid" 2>/dev/null; done
  sleep 0.1
done
[ "$quiet" -ge 2 ] || { echo "processes are left: $found" >&2; exit 1; }
rm -rf -- "$2"
"""


def main():
    with open(sys.argv[2]) as file:
        pool = json.load(file)
    actions = {"create": create, "list": list_all, "delete": delete}
    actions[sys.argv[1]](pool, Records(pool["records"]), request())


def create(pool, records, wanted):
    problems = ["no host is free"]
    for name, host in pool["hosts"].items():
        server = {
            "id": f"{name}-{secrets.token_hex(6)}",
            "name": wanted["name"],
            "owner": wanted["owner"],
            "address": {**host, "directory": pool["directory"]},
        }
        if not records.claim(name, server):
            continue
        problem = ssh(pool, host, ["true"], "") or prepare(pool, name)
        if problem is None:
            answer({"id": server["id"], "address": server["address"]})
            return
        records.drop(name)
        problems.append(f"{name}: {problem}")
    give_up("; ".join(problems))


def prepare(pool, name):
    """None when it worked, else what the program said last. It ends at the latest when sos-ci ends this program."""
    if "prepare" not in pool:
        return None
    done = subprocess.run([*pool["prepare"], name], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return None
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return f"prepare: {said[-1] if said else done.returncode}"


def list_all(_pool, records, _wanted):
    answer({"servers": [server for _, server in records.all()]})


def delete(pool, records, wanted):
    for name, server in records.all():
        if server["id"] != wanted["id"]:
            continue
        # A shell on the host parses the command of ssh. Neither argument contains characters that are special to it.
        command = ["sh", "-s", "--", server["id"], f"{pool['directory']}/{server['id']}"]
        problem = ssh(pool, server["address"], command, CLEAR)
        if problem is not None:
            give_up(f"{name}: {problem}")
        records.drop(name)


def ssh(pool, host, command, script):
    """None on success, otherwise the last line of ssh on standard error."""
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": pool["knownHosts"],
        "ConnectTimeout": "10",
        "LogLevel": "ERROR",
    }
    argv = ["ssh", "-F", "/dev/null", "-i", pool["key"], "-p", str(host.get("port", 22)), "-l", host["user"]]
    for key, value in options.items():
        argv += ["-o", f"{key}={value}"]
    done = subprocess.run(
        [*argv, "--", host["host"], *command],
        input=script,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
    )
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


if __name__ == "__main__":
    main()
