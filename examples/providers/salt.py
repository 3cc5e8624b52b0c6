#!/usr/bin/env python3
"""Machines from Salt Cloud for the provider `command` of sos-ci: one minion of a profile for each server.

    salt.py create|list|delete SALT.json

SALT.json:

    {
      "records": "/var/lib/sos-ci-salt",
      "profile": "devstack-node",                    of /etc/salt/cloud.profiles; lets the nodes' key in, installs git
      "state": "sos_ci.node",                        applied to the new minion; null: none
      "user": "stack",
      "host": "10.0.0.11", "port": 22                only for a driver that names no address, such as saltify
    }

The record is written before the machine is asked for, under the name that the machine gets, so one that was cut off half-way
is listed and destroyed with the rest.
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
        # Where it will be is not known yet, but that it is ours must be.
        "address": {"host": "unknown", "port": config.get("port", 22), "user": config["user"]},
    }
    records.claim(name, server)
    made = run("salt-cloud", "--out=json", "--profile", config["profile"], name).get(name)
    if not made:
        give_up(f"salt-cloud made no {name}")
    server["address"]["host"] = address(made, config.get("host"))
    if config.get("state") is not None:
        applied = run("salt", "--out=json", "--static", name, "state.apply", config["state"]).get(name)
        if not isinstance(applied, dict) or not all(step.get("result") for step in applied.values()):
            give_up(f"state {config['state']} could not be applied to {name}")
    records.change(name, server)
    answer({"id": name, "address": server["address"]})


def list_all(_config, records, _wanted):
    answer({"servers": [server for _, server in records.all()]})


def delete(_config, records, wanted):
    # For a machine that is not there (any more) Salt Cloud says so and ends with 0.
    run("salt-cloud", "--out=json", "--assume-yes", "--destroy", wanted["id"])
    records.drop(wanted["id"])


def address(made, otherwise):
    for key in ("private_ips", "public_ips"):
        found = made.get(key) if isinstance(made, dict) else None
        if found:
            return found[0] if isinstance(found, list) else found
    if otherwise is None:
        give_up("salt-cloud names no address of the new machine, and the configuration has no host")
    return otherwise


def run(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    if done.returncode != 0:
        give_up(f"{argv[0]}: {said[-1] if said else done.returncode}")
    # Programs that Salt starts may say something before it does.
    begin = re.search(r"^\{", done.stdout, re.MULTILINE)
    try:
        return json.loads(done.stdout[begin.start() :]) if begin else {}
    except json.JSONDecodeError:
        give_up(f"{argv[0]} said no JSON: {said[-1]}")


if __name__ == "__main__":
    main()
