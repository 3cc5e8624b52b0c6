# Copyright (c) the authors of sos-ci
# Apache License 2.0 (see http://www.apache.org/licenses/LICENSE-2.0)
"""Starts a command on the node, shows its output, and waits for its end, over as many connections as needed."""

from __future__ import annotations

import base64
import codecs
import os
import re
import time
import uuid

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

display = Display()

RUNNER = os.path.join(os.path.dirname(__file__), "..", "..", "files", "runner.sh")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Duration of one poll. A longer one holds a connection without need, a shorter one costs more logins.
POLL_SECONDS = 20
# The same limit as sos-ci has for an unreachable node.
UNREACHABLE_SECONDS = 600
RETRY_SECONDS = 5
LAST_LINES = 20
MAX_LINE = 1000
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# The end of a traceback in oslo.log's format: a record without text.
EMPTY_RECORD = re.compile(r"\S+ \S+ \d+ (ERROR|TRACE|CRITICAL) \S+\s*")
# The default without sos-ci. Each process has a new one, so it attaches to nothing.
OWN_ID = "/var/tmp/sos-ci-runs/%s" % uuid.uuid4().hex


class ActionModule(ActionBase):
    _requires_connection = True
    _supports_check_mode = False
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        task_vars = task_vars or {}
        arguments = dict(self._task.args)
        name = arguments.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise AnsibleActionFail("name must be letters, digits, dots, dashes and underscores")
        if any(str(key).startswith("_") for key in arguments):
            raise AnsibleActionFail("options that begin with an underscore are internal")
        job = task_vars.get("sos_ci") or {}
        arguments["id"] = str(arguments.get("id") or job.get("run_directory") or OWN_ID)
        with open(RUNNER, encoding="utf-8") as source:
            runner = source.read()
        started = self._step(arguments, task_vars, _step="start", _runner=runner, _server=job.get("server"))
        if started.get("failed"):
            return started
        ended, lines = self._follow(arguments, task_vars)
        if ended.get("failed"):
            return ended
        return {
            "changed": not started["attached"],
            "attached": started["attached"],
            "directory": started["directory"],
            **_result(ended["ending"], lines),
        }

    def _follow(self, arguments, task_vars):
        output = _Output(hidden=bool(self._task.no_log))
        offset = 0
        while True:
            polled = self._step(arguments, task_vars, _step="wait", _offset=offset, _seconds=POLL_SECONDS)
            if polled.get("failed"):
                return polled, output.lines
            output.add(base64.b64decode(polled["output"]))
            offset = polled["offset"]
            if polled["ending"] is not None:
                output.end()
                return polled, output.lines

    def _step(self, arguments, task_vars, **more):
        """Repeats a step until the node is reachable. A repeated step starts nothing twice and loses no output."""
        until = time.monotonic() + UNREACHABLE_SECONDS
        while True:
            try:
                result = self._execute_module(
                    module_name="sos_ci.openstack.run",
                    module_args={**arguments, **more},
                    task_vars=task_vars,
                )
                if not result.get("unreachable"):
                    return result
                problem = result.get("msg", "unreachable")
            except AnsibleConnectionFailure as error:
                problem = str(error)
            if time.monotonic() > until:
                raise AnsibleConnectionFailure("the node was unreachable for %s s; last error: %s" % (UNREACHABLE_SECONDS, problem))
            display.warning("%s: the node is unreachable, retrying: %s" % (arguments["name"], problem))
            time.sleep(RETRY_SECONDS)


class _Output:
    """Prints complete lines, and keeps the last ones."""

    def __init__(self, hidden):
        self.lines = []
        self._hidden = hidden
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def add(self, data):
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        # An endless line must not fill the memory.
        if len(self._rest) > 64 * 1024:
            lines.append(self._rest)
            self._rest = ""
        for line in lines:
            self._show(line.rstrip("\r"))

    def end(self):
        if self._rest:
            self._show(self._rest)
        self._rest = ""

    def _show(self, line):
        if self._hidden:
            return
        display.display(line)
        text = COLOURS.sub("", line)
        if text.strip() and not EMPTY_RECORD.fullmatch(text):
            self.lines = [*self.lines, text[:MAX_LINE]][-LAST_LINES:]


def _result(ending, lines):
    how, _space, number = ending.strip().partition(" ")
    rc = {"exited": 0, "killed": 128, "timedOut": 124}.get(how, 143) + int(number or 0)
    texts = {
        "exited": "exit code %s" % number,
        "killed": "killed by signal %s" % number,
        "timedOut": "it exceeded its time limit",
        "stopped": "it was stopped",
        "lost": "all its processes are gone and none recorded how it ended",
    }
    last = ": %s" % lines[-1] if lines else ""
    failed = rc != 0
    return {
        "rc": rc,
        "how": how,
        "stdout_lines": lines,
        "failed": failed,
        **({"msg": texts.get(how, ending) + last} if failed else {}),
    }
