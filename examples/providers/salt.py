#!/usr/bin/env python3
"""Machines from Salt Cloud for the provider `command` of sos-ci: one minion of a profile for each server.

    salt.py create|list|delete SALT.json

SALT.json:

    {
      "records": "/var/lib/sos-ci-salt",
      "profile": "devstack-node",                    of /etc/salt/cloud.profiles; authorizes the nodes' key, installs git
      "state": "sos_ci.node",                        applied to the new minion; null: none
      "user": "stack",
      "host": "10.0.0.11", "port": 22                only for a driver that reports no address, such as saltify
    }

The record is written before the machine is requested, under the name that the machine gets. So a machine whose creation
was interrupted is listed and destroyed with the rest.
"""

import json
import re
import secrets
import subprocess
import sys

sys.dont_write_bytecode = True
from records import Records, answer, give_up, request  # noqa: E402


def main():
    with open(sys.argv[2]) as file:
        config = json.load(file)
    actions = {"create": create, "list": list_all, "delete": delete}
    actions[sys.argv[1]](config, Records(config["records"]), request())


def create(config, records, wanted):
    name = f"sos-ci-{secrets.token_hex(6)}"
    server = {
        "id": name,
        "name": wanted["name"],
        "owner": wanted["owner"],
        # The address is not known yet, but the owner must be recorded.
        "address": {"host": "unknown", "port": config.get("port", 22), "user": config["user"]},
    }
    records.claim(name, server)
    created = run("salt-cloud", "--out=json", "--profile", config["profile"], name).get(name)
    if not created:
        give_up(f"salt-cloud created no {name}")
    server["address"]["host"] = address(created, config.get("host"))
    if config.get("state") is not None:
        applied = run("salt", "--out=json", "--static", name, "state.apply", config["state"]).get(name)
        if not isinstance(applied, dict) or not all(step.get("result") for step in applied.values()):
            give_up(f"state {config['state']} could not be applied to {name}")
    records.change(name, server)
    answer({"id": name, "address": server["address"]})


def list_all(_config, records, _wanted):
    answer({"servers": [server for _, server in records.all()]})


def delete(_config, records, wanted):
    # For a machine that does not exist (any more) Salt Cloud reports that and exits with 0.
    run("salt-cloud", "--out=json", "--assume-yes", "--destroy", wanted["id"])
    records.drop(wanted["id"])


def address(created, otherwise):
    for key in ("private_ips", "public_ips"):
        found = created.get(key) if isinstance(created, dict) else None
        if found:
            return found[0] if isinstance(found, list) else found
    if otherwise is None:
        give_up("salt-cloud names no address of the new machine, and the configuration has no host")
    return otherwise


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    if done.returncode != 0:
        give_up(f"{argv[0]}: {lines[-1] if lines else done.returncode}")
    # Programs that Salt starts may write something before it does.
    begin = re.search(r"^\{", done.stdout, re.MULTILINE)
    try:
        return json.loads(done.stdout[begin.start() :]) if begin else {}
    except json.JSONDecodeError:
        give_up(f"{argv[0]} wrote no JSON: {lines[-1]}")


if __name__ == "__main__":
    main()
