#!/usr/bin/env python3
"""Vagrant boxes for the provider `command` of sos-ci: one directory with a Vagrantfile for each server.

    vagrant.py create|list|delete VAGRANT.json

VAGRANT.json:

    {
      "directory": "/var/lib/sos-ci-vagrant",        records and boxes
      "box": "debian/bookworm64",
      "publicKey": "/etc/sos-ci/node-key.pub",       added to ~/.ssh/authorized_keys of the box
      "memory": 8192, "cpus": 4
    }

The record is written before the box is created. So a box whose creation was interrupted is listed and deleted with the
rest.

`vagrant up` runs in a session of its own, so it survives this program: killed between the disk of a box and its machine, it
would leave a disk that nothing finds again. `delete` interrupts it once, and it then removes what it has made.
"""

import contextlib
import glob
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
from records import Records, answer, give_up, request  # noqa: E402

# sos-ci kills `delete` after five minutes, and then calls it again.
MAX_WAIT_S = 240

VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.vm.box = {box}
  config.vm.synced_folder ".", "/vagrant", disabled: true
  config.vm.provision "shell", privileged: false, inline: <<-SHELL
    echo {key} >>~/.ssh/authorized_keys
    sudo apt-get update -qq && sudo apt-get install -qq -y git util-linux
  SHELL
  %w[virtualbox libvirt].each do |name|
    config.vm.provider name do |machine|
      machine.memory = {memory}
      machine.cpus = {cpus}
    end
  end
end
"""


def main():
    with open(sys.argv[2]) as file:
        config = json.load(file)
    actions = {"create": create, "list": list_all, "delete": delete}
    actions[sys.argv[1]](config, Records(os.path.join(config["directory"], "records")), request())


def create(config, records, wanted):
    name = f"box-{secrets.token_hex(6)}"
    server = {
        "id": name,
        "name": wanted["name"],
        "owner": wanted["owner"],
        # The address is not known yet, but the owner must be recorded.
        "address": {"host": "unknown"},
    }
    records.claim(name, server)
    directory = os.path.join(config["directory"], name)
    os.makedirs(directory, mode=0o700)
    with open(os.path.join(directory, "Vagrantfile"), "w") as file:
        file.write(vagrantfile(config))
    vagrant(directory, "up", "--no-color")
    server["address"] = address(vagrant(directory, "ssh-config"))
    records.change(name, server)
    answer({"id": name, "address": server["address"]})


def list_all(_config, records, _wanted):
    answer({"servers": [server for _, server in records.all()]})


def delete(config, records, wanted):
    directory = os.path.join(config["directory"], wanted["id"])
    finish(directory, "up")
    finish(directory, "destroy")
    # Vagrant keeps the machine's id here; without one there is no machine, and Vagrant may not know how to destroy it.
    if glob.glob(os.path.join(glob.escape(directory), ".vagrant", "machines", "*", "*", "id")):
        vagrant(directory, "destroy", "--force", "--no-color")
    shutil.rmtree(directory, ignore_errors=True)
    if os.path.exists(directory):
        give_up(f"{directory} cannot be removed")
    records.drop(wanted["id"])


def vagrantfile(config):
    with open(config["publicKey"]) as file:
        key = file.read().strip()
    # A JSON string is a Ruby string unless it begins an interpolation. No shell treats these characters specially.
    if not re.fullmatch(r"[A-Za-z0-9 @%+=:,./_-]+", key + config["box"]):
        give_up("a character in the box or the key is not supported")
    return VAGRANTFILE.format(
        box=json.dumps(config["box"]),
        key=f"'{key}'",
        memory=int(config.get("memory", 4096)),
        cpus=int(config.get("cpus", 2)),
    )


def address(text):
    """The address in the output of `vagrant ssh-config`."""
    found = dict(line.split(None, 1) for line in text.splitlines() if line.startswith("  "))
    return {"host": found["HostName"].strip(), "port": int(found["Port"]), "user": found["User"].strip()}


def vagrant(directory, *args):
    """Output goes to files: with a pipe, Vagrant would not survive this program."""
    paths = [os.path.join(directory, name) for name in ("vagrant.out", "vagrant.err")]
    with open(paths[0], "w") as out, open(paths[1], "w") as err:
        # The shell becomes Vagrant, and has the same process id.
        argv = ["sh", "-c", 'echo $$ >"$1.pid" && exec vagrant "$@"', "sh", *args]
        done = subprocess.run(argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True)
    output, errors = (read(path) for path in paths)
    if done.returncode != 0:
        # The message begins with the problem; long advice follows.
        message = " ".join((errors.strip() or output.strip()).split())
        give_up(f"vagrant {args[0]}: {message[:300] or done.returncode}")
    return output


def finish(directory, action):
    """Waits for the end of `vagrant ACTION` of an interrupted call. Interrupts `up` once: a second time it would not clean up."""
    pid = read(os.path.join(directory, f"{action}.pid")).strip()
    end = time.monotonic() + MAX_WAIT_S
    while runs(pid, directory):
        if action == "up" and not os.path.exists(os.path.join(directory, "interrupted")):
            with open(os.path.join(directory, "interrupted"), "w"), contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGINT)
        if time.monotonic() > end:
            give_up(f"vagrant {action} still runs in {directory}: process {pid}")
        time.sleep(0.1)


def runs(pid, directory):
    """Whether this process is still the Vagrant of this directory. Process ids are used again."""
    with contextlib.suppress(OSError):
        return pid != "" and os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(directory)
    return False


def read(path):
    with contextlib.suppress(FileNotFoundError), open(path, errors="replace") as file:
        return file.read()
    return ""


if __name__ == "__main__":
    main()
