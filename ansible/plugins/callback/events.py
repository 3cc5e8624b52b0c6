# Copyright (c) the authors of sos-ci
# Apache License 2.0 (see http://www.apache.org/licenses/LICENSE-2.0)
"""Writes the events of a run as JSON lines, so that sos-ci parses no text that is meant for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: events
type: notification
short_description: Write tasks and failures as JSON lines
description:
  - Appends one JSON object per line to a file. The number and the length of lines are bounded.
  - The arguments of modules and the facts of hosts are never written. A result with no_log is written without its message.
  - The version of Ansible and the statistic sos_ci of set_stats, a dictionary of short strings and booleans, are written as facts.
requirements:
  - Enable it in the configuration, and set the environment variable SOS_CI_EVENTS to the path of the file.
"""

import json
import os
import time

from ansible.plugins.callback import CallbackBase
from ansible.release import __version__

MAX_BYTES = 4 * 1024**2
# Reserved for failures and facts: other events may fill only the rest.
RESERVED_BYTES = 1024**2
MAX_FACTS = 20
MAX_NAME = 200
MAX_MESSAGE = 1000
HIDDEN = "hidden by no_log"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "sos_ci.openstack.events"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._file = None
        self._handled = {}
        path = os.environ.get("SOS_CI_EVENTS")
        if not path:
            self.disabled = True
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)
        self._bytes = os.fstat(self._file).st_size

    def _write(self, event, **fields):
        line = json.dumps({"event": event, "at": round(time.time(), 3), **fields}) + "\n"
        data = line.encode("utf-8", "replace")
        is_read = event in ("failed", "unreachable", "facts")
        if self._bytes + len(data) <= (MAX_BYTES if is_read else MAX_BYTES - RESERVED_BYTES):
            os.write(self._file, data)
            self._bytes += len(data)

    def _ended(self, event, result, **fields):
        task = getattr(result, "task", None) or result._task
        host = getattr(result, "host", None) or result._host
        self._write(
            event,
            task=_cut(task.get_name(), MAX_NAME),
            host=_cut(host.get_name(), MAX_NAME),
            **fields,
        )

    def v2_playbook_on_start(self, playbook):
        self._write("facts", facts={"ansible": __version__})

    def v2_playbook_on_play_start(self, play):
        self._write("play", play=_cut(play.get_name(), MAX_NAME))

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._write("task", task=_cut(task.get_name(), MAX_NAME))

    def v2_playbook_on_handler_task_start(self, task):
        self._write("task", task=_cut(task.get_name(), MAX_NAME))

    def v2_runner_on_ok(self, result):
        self._ended("ok", result)
        facts = _facts(result)
        if facts:
            self._write("facts", facts=facts)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._failed("failed", result, bool(ignore_errors))

    def v2_runner_on_unreachable(self, result):
        task = getattr(result, "task", None) or result._task
        self._failed("unreachable", result, bool(task.ignore_unreachable))

    def _failed(self, event, result, ignored):
        task = getattr(result, "task", None) or result._task
        host = getattr(result, "host", None) or result._host
        found = (_cut(task.get_name(), MAX_NAME), _message(result))
        # A rescue section that fails with "NAME OF THE FAILED TASK: ..." passes on the failure that it handles.
        handled, prefix = self._handled.get(host.get_name(), (None, None))
        if handled and found[1].startswith(prefix):
            found = handled
        # Ansible never rescues a host that it cannot reach.
        rescued = event == "failed" and _rescued(task)
        if rescued:
            self._handled[host.get_name()] = (found, "%s: " % task.name)
        name, message = found
        host = _cut(host.get_name(), MAX_NAME)
        self._write(event, task=name, host=host, message=message, ignored=ignored, rescued=rescued)

    def v2_playbook_on_stats(self, stats):
        hosts = sorted(stats.processed)[:100]
        self._write("end", hosts={_cut(host, MAX_NAME): stats.summarize(host) for host in hosts})


def _facts(result):
    """What the task set_stats reports under the name sos_ci."""
    found = getattr(result, "result", None) or result._result
    facts = ((found.get("ansible_stats") or {}).get("data") or {}).get("sos_ci")
    if not isinstance(facts, dict):
        return {}
    known = [(name, value) for name, value in facts.items() if isinstance(value, (bool, str))][:MAX_FACTS]
    return {_cut(name, MAX_NAME): value if isinstance(value, bool) else _cut(value, MAX_NAME) for name, value in known}


def _rescued(task):
    """Whether a block with a rescue section contains or includes the task."""
    child, parent = task, task._parent
    while parent is not None:
        if getattr(parent, "rescue", None) and any(member._uuid == child._uuid for member in parent.block):
            return True
        child, parent = parent, parent._parent
    return False


def _message(result):
    task = getattr(result, "task", None) or result._task
    found = getattr(result, "result", None) or result._result
    if task.no_log or found.get("_ansible_no_log") or found.get("censored"):
        return HIDDEN
    for item in found.get("results") or []:
        if isinstance(item, dict) and item.get("failed"):
            if item.get("_ansible_no_log") or item.get("censored"):
                return HIDDEN
            return _text(item)
    return _text(found)


def _text(found):
    """The message of a module, or the last line that a program printed."""
    rc = found.get("rc")
    message = found.get("msg")
    # Ansible's message for every program that fails explains nothing.
    if isinstance(message, str) and message.strip() and message.strip() != "non-zero return code":
        return _cut(message, MAX_MESSAGE)
    for name in ("stderr", "stdout"):
        lines = [line for line in str(found.get(name) or "").splitlines() if line.strip()]
        if lines:
            return _cut(lines[-1], MAX_MESSAGE)
    return "exit code %s" % rc if rc is not None else ""


def _cut(text, length):
    flat = " ".join(str(text).split())
    return flat if len(flat) <= length else flat[: length - 3] + "..."
