#!/usr/bin/python
# Copyright (c) the authors of sos-ci
# Apache License 2.0 (see http://www.apache.org/licenses/LICENSE-2.0)
"""The part of sos_ci.openstack.run that works on the node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run
short_description: Run a long command that outlives Ansible
description:
  - Runs a command detached on the node and waits for its end. Its output is shown while it runs.
  - The command continues if the connection breaks or ansible-playbook is killed. A task with the same O(id) and O(name), even in
    another ansible-playbook, attaches to it and never starts it twice; if it has ended, its result is returned.
  - The runner on the node enforces the time limit and stores the output.
  - Needs flock and setsid (util-linux) on the node.
version_added: 1.0.0
author:
  - The authors of sos-ci (@sos-ci)
options:
  name:
    description: Names the command within its job, such as C(stack) or C(tempest).
    type: str
    required: true
  argv:
    description: The program and its arguments. They run without a shell.
    type: list
    elements: str
    required: true
  chdir:
    description: The directory that the command starts in.
    type: path
    default: /
  environment:
    description: Environment variables of the command. PATH, LANG and HOME come from the node.
    type: dict
    default: {}
  timeout:
    description: Seconds after which the command and all its processes are killed.
    type: int
    default: 7200
  id:
    description:
      - Names the job. The default is C(sos_ci.run_directory) if sos-ci runs the playbook. Otherwise each ansible-playbook has a new
        id and attaches to nothing.
    type: path
attributes:
  check_mode:
    support: none
    description: A command is never started in check mode.
"""

EXAMPLES = r"""
- name: Run stack.sh
  become: true
  sos_ci.openstack.run:
    name: stack
    argv: [runuser, -u, stack, --, ./stack.sh]
    chdir: /opt/stack/devstack
    environment: {HOME: /opt/stack}
    timeout: 3600
"""

RETURN = r"""
rc:
  description: The exit code; 124 after the time limit, 128 plus the signal's number if it was killed.
  type: int
  returned: always
how:
  description: How the command ended, one of C(exited), C(killed), C(timedOut), C(stopped), C(lost).
  type: str
  returned: always
attached:
  description: Whether the command was already started.
  type: bool
  returned: always
directory:
  description: The run directory on the node, with the file C(log).
  type: str
  returned: always
stdout_lines:
  description: The last lines of output.
  type: list
  elements: str
  returned: always
"""

import base64
import errno
import fcntl
import os
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

START_SECONDS = 30
POLL_SECONDS = 0.1
READ_BYTES = 64 * 1024


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "argv": {"type": "list", "elements": "str", "required": True},
            "chdir": {"type": "path", "default": "/"},
            "environment": {"type": "dict", "default": {}},
            "timeout": {"type": "int", "default": 7200},
            "id": {"type": "path"},
            # From the action plugin.
            "_step": {"type": "str", "choices": ["start", "wait"]},
            "_runner": {"type": "str"},
            "_offset": {"type": "int"},
            "_seconds": {"type": "int"},
            "_server": {"type": "str"},
        },
    )
    params = module.params
    if params["_step"] is None or params["id"] is None:
        module.fail_json(msg="this module needs its action plugin: call it as sos_ci.openstack.run")
    directory = "%s-%s" % (params["id"], params["name"])
    try:
        if params["_step"] == "start":
            module.exit_json(changed=True, **start(module, directory))
        module.exit_json(changed=False, **wait(directory, params["_offset"], params["_seconds"]))
    except OSError as error:
        module.fail_json(msg="%s: %s" % (directory, error))


def start(module, directory):
    """Starts the runner, or finds the one that was started before."""
    params = module.params
    parent = os.path.dirname(directory)
    if not os.path.isdir(parent):
        os.makedirs(parent, 0o700)
    try:
        os.mkdir(directory, 0o700)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
    # A stop of the job first writes this file, and then looks for run directories.
    if os.path.exists(params["id"] + ".stop"):
        module.fail_json(msg="the job was stopped")
    if read(directory, "pid"):
        return {"directory": directory, "attached": True}
    runner = os.path.join(directory, "runner.sh")
    with open(runner + ".new", "w") as target:
        target.write(params["_runner"])
    os.rename(runner + ".new", runner)
    environment = {name: os.environ.get(name, value) for name, value in DEFAULTS.items()}
    environment.update({str(name): str(value) for name, value in params["environment"].items()})
    if params["_server"]:
        environment["SOS_CI_SERVER"] = params["_server"]
    limits = [str(params["timeout"]), "10", str(64 * 1024**2), "600"]
    with open(os.path.join(directory, "runner.err"), "ab") as errors:
        process = subprocess.Popen(
            ["sh", runner, directory, params["chdir"]] + limits + params["argv"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd="/",
            env=environment,
            close_fds=True,
            start_new_session=True,
        )
    until = time.time() + START_SECONDS
    while time.time() < until:
        pid = read(directory, "pid")
        if pid:
            return {"directory": directory, "attached": pid.strip() != str(process.pid)}
        if process.poll() not in (None, 0):
            break
        time.sleep(POLL_SECONDS)
    detail = (read(directory, "runner.err") or "").strip()[-500:]
    module.fail_json(msg="the runner did not start the command, exit code %s: %s" % (process.poll(), detail or "is flock installed?"))


DEFAULTS = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/",
}


def wait(directory, offset, seconds):
    """Returns as soon as there is output or the command has ended; returns the ending only after all output."""
    until = time.time() + seconds
    while True:
        alive = is_alive(directory)
        ending = read(directory, "rc")
        data = tail(directory, offset)
        if data or time.time() >= until or ending is not None or not alive:
            return {
                "output": base64.b64encode(data).decode("ascii"),
                "offset": offset + len(data),
                "ending": None if data else ending or (None if alive else "lost"),
            }
        time.sleep(POLL_SECONDS)


def is_alive(directory):
    """Only the runner holds this lock."""
    try:
        with open(os.path.join(directory, "main")) as main_lock:
            fcntl.flock(main_lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError as error:
        if error.errno == errno.ENOENT:
            return False
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return True
        raise


def tail(directory, offset):
    try:
        with open(os.path.join(directory, "log"), "rb") as log:
            log.seek(offset)
            return log.read(READ_BYTES)
    except OSError as error:
        if error.errno == errno.ENOENT:
            return b""
        raise


def read(directory, name):
    """None: the file is missing or still empty."""
    try:
        with open(os.path.join(directory, name)) as source:
            return source.read(4096) or None
    except OSError as error:
        if error.errno == errno.ENOENT:
            return None
        raise


if __name__ == "__main__":
    main()
