# Copyright (c) the authors of sos-ci
# Apache License 2.0 (see http://www.apache.org/licenses/LICENSE-2.0)
"""Sends a directory of logs to the log server, in archives of the files that it lacks."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tempfile

from ansible import constants as C
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

MANIFEST = "manifest.json"
# Content of one archive. Both hosts need as much space for it. A larger file is sent in pieces.
ARCHIVE_BYTES = 32 * 1024**2


class ActionModule(ActionBase):
    TRANSFERS_FILES = True
    _requires_connection = True
    _supports_check_mode = False
    _supports_async = False

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if any(str(key).startswith("_") for key in arguments):
            raise AnsibleActionFail("options that begin with an underscore are internal")
        directory = arguments.get("directory")
        self._make_tmp_path()
        try:
            if directory:
                arguments["_manifest"] = self._send(os.path.join(directory, MANIFEST), MANIFEST)
            return self._publish(directory, arguments, task_vars or {})
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _publish(self, directory, arguments, task_vars):
        begun = self._step(arguments, task_vars, _step="begin")
        if "temporary" not in begun:
            return {"path": "", "refused": "", "sent": 0, **begun}
        arguments["_temporary"] = begun["temporary"]
        with open(os.path.join(directory, MANIFEST), encoding="utf-8") as source:
            manifest = json.load(source)
        files = [file["path"] for file in manifest["files"] + manifest["pages"]]
        missing = [(number, os.path.join(directory, files[number])) for number in begun["missing"]]
        for pieces in _archives(missing):
            with tempfile.NamedTemporaryFile(dir=C.DEFAULT_LOCAL_TMP, suffix=".tar.gz") as archive:
                _write(archive, pieces)
                sent = self._send(archive.name, "files.tar.gz")
            unpacked = self._step(arguments, task_vars, _step="unpack", _archive=sent)
            if unpacked.get("failed"):
                return unpacked
        return {"path": "", "refused": "", **self._step(arguments, task_vars, _step="finish"), "sent": len(missing)}

    def _send(self, path, name):
        shell = self._connection._shell
        to = shell.join_path(shell.tmpdir, name)
        self._transfer_file(path, to)
        self._fixup_perms2((shell.tmpdir, to))
        return to

    def _step(self, arguments, task_vars, **more):
        return self._execute_module(
            module_name="sos_ci.openstack.publish_logs", module_args={**arguments, **more}, task_vars=task_vars,
        )


def _archives(files):
    """Groups pieces of files, as (number, path, offset, length)."""
    pieces, total = [], 0
    for number, path in files:
        size, offset = os.path.getsize(path), 0
        while True:
            length = min(size - offset, ARCHIVE_BYTES - total)
            pieces.append((number, path, offset, length))
            offset, total = offset + length, total + length
            if total >= ARCHIVE_BYTES:
                yield pieces
                pieces, total = [], 0
            if offset >= size:
                break
    if pieces:
        yield pieces


def _write(archive, pieces):
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
        for number, path, offset, length in pieces:
            member = tarfile.TarInfo("%d.%d" % (number, offset))
            member.size = length
            with open(path, "rb") as source:
                source.seek(offset)
                tar.addfile(member, io.BytesIO(source.read(length)))
    archive.flush()
