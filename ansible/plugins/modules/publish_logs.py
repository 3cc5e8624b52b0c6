#!/usr/bin/python
# Copyright (c) the authors of sos-ci
# Apache License 2.0 (see http://www.apache.org/licenses/LICENSE-2.0)
"""The part of sos_ci.openstack.publish_logs that works on the log server."""

from __future__ import annotations

DOCUMENTATION = r"""
module: publish_logs
short_description: Publish a directory of logs on a log server
description:
  - Sends a directory with a C(manifest.json) from the Ansible host, and puts it in place by one rename. Readers see all of it or
    nothing.
  - Files that an interrupted run has sent are not sent again. Every file is compared with its checksum in the manifest, which is
    written last.
  - A directory, file or link that is not this job's, by its manifest, is never written to, moved or removed. Links below
    O(root) are not followed.
  - If the directory is published already, nothing is sent.
version_added: 1.0.0
author:
  - The authors of sos-ci (@sos-ci)
options:
  root:
    description: The directory of all logs on the log server. It must exist.
    type: path
    required: true
  directory:
    description: The directory to send, on the Ansible host. Without it, only a published directory is looked for.
    type: path
  job:
    description: The id of the job, as in the manifest.
    type: str
    required: true
  parents:
    description: The directories between O(root) and the job's directory. Missing ones are created.
    type: list
    elements: str
    required: true
  names:
    description: The names that the directory may have. The first one that no other job has is used.
    type: list
    elements: str
    required: true
  page:
    description:
      - Template for the index pages of O(parents), from the second one on. C(@TITLE@), C(@PARENT@), C(@ROWS@) and C(@MORE@) are
        replaced. Without it, there are no such pages.
      - An index page that is not from sos-ci is never changed.
    type: str
    default: ""
attributes:
  check_mode:
    support: none
    description: Nothing is published in check mode.
"""

EXAMPLES = r"""
- name: Publish the logs
  sos_ci.openstack.publish_logs:
    root: /srv/logs
    directory: /var/lib/sos-ci/finished/0123456789abcdef/12/912/3/check/acme/0123456789ab
    job: 0123456789abcdef
    parents: ["12", "912", "3", check, acme]
    names: [0123456789ab, 0123456789abcdef]
"""

RETURN = r"""
path:
  description: The published directory below O(root); empty if there is none.
  type: str
  returned: always
refused:
  description: Why no attempt can succeed before an operator has removed something; empty otherwise.
  type: str
  returned: always
sent:
  description: The number of files that were sent.
  type: int
  returned: always
"""

import errno
import json
import os
import stat
import tarfile

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sos_ci.openstack.plugins.module_utils.published_logs import (
    JOB,
    MANIFEST,
    NOT_A_DIRECTORY,
    PART,
    checksum,
    free_temporary_name,
    manifest_of,
    open_below,
    parse_manifest,
    temporary_names,
    update_pages,
)


class Refused(Exception):
    """No attempt can succeed before an operator has removed something."""


class Publication:
    def __init__(self, params, parent):
        self.params = params
        self.parent = parent
        self.job = params["job"]
        self.content = None
        self.files = []
        if params["_manifest"]:
            with open(params["_manifest"], "rb") as file:
                self.content = file.read()
            manifest = parse_manifest(self.content)
            if manifest is None or manifest["job"] != self.job:
                raise ValueError("the directory has no manifest of this job")
            self.files = manifest["files"] + manifest["pages"]
            for file in self.files:
                check_path(file["path"])

    def begin(self):
        """Returns the published path, or the temporary directory and the numbers of the files that it lacks."""
        states = self.states()
        ours = name_in(states, "ours")
        if ours is not None:
            self.remove_temporaries()
            return self.published(ours)
        self.target(states)
        if self.content is None:
            return {"path": ""}
        temporary = self.temporary()
        with self.parent.enter(temporary) as directory:
            directory.lock()
            self.prune(directory)
            missing = [number for number, file in enumerate(self.files) if not is_whole(directory, file)]
        return {"temporary": temporary, "missing": missing}

    def unpack(self):
        """Writes the pieces of files in an archive. A file gets its name when it is complete."""
        with self.parent.enter(self.params["_temporary"]) as directory, tarfile.open(self.params["_archive"], "r:gz") as archive:
            # A process of a run that was killed may still be writing.
            directory.lock()
            for member in archive:
                number, offset = (int(part) for part in member.name.split("."))
                self.write(directory, self.files[number], offset, archive.extractfile(member))
        os.unlink(self.params["_archive"])
        return {}

    def write(self, directory, file, offset, source):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_TRUNC if offset == 0 else 0)
        with os.fdopen(os.open(PART, flags, 0o644, dir_fd=directory.fd), "r+b") as target:
            target.seek(offset)
            while True:
                data = source.read(1024 * 1024)
                if not data:
                    break
                target.write(data)
            if target.tell() < file["bytes"]:
                return
            target.seek(0)
            if checksum(target) != file["sha256"]:
                raise ValueError("%s: its checksum is not that of the manifest" % file["path"])
            os.fchmod(target.fileno(), 0o644)
            os.fsync(target.fileno())
        parents, name = split(file["path"])
        place = make_below(directory, parents)
        try:
            os.rename(PART, name, src_dir_fd=directory.fd, dst_dir_fd=place.fd)
        finally:
            if place is not directory:
                os.close(place.fd)

    def finish(self):
        states = self.states()
        ours = name_in(states, "ours")
        if ours is None:
            ours = self.target(states)
            self.put_in_place(ours, states[ours])
        self.remove_temporaries()
        return self.published(ours)

    def put_in_place(self, name, state):
        temporary = self.params["_temporary"]
        with self.parent.enter(temporary) as directory:
            directory.lock()
            for file in self.files:
                if not is_whole(directory, file, read=False):
                    raise ValueError("%s is not there" % file["path"])
            directory.remove(PART)
            directory.replace(MANIFEST, self.content)
            directory.sync()
        if state == "damaged":
            self.parent.rename(name, free_temporary_name(self.parent, self.job))
        self.parent.rename(temporary, name)
        self.parent.sync()

    def published(self, name):
        parents = self.params["parents"]
        update_pages(self.params["root"], parents, self.params["page"])
        return {"path": "/".join(parents + [name])}

    def states(self):
        return dict((name, self.state(name)) for name in self.params["names"])

    def state(self, name):
        if self.parent.stat(name) is None:
            return "free"
        directory = self.parent.enter_if_possible(name)
        if directory is None:
            return "taken"
        with directory:
            manifest = manifest_of(directory)
            if manifest is None or manifest["job"] != self.job:
                return "taken"
            files = manifest["files"] + manifest["pages"]
            complete = manifest.get("state") == "published" and all(is_whole(directory, file) for file in files)
            return "ours" if complete else "damaged"

    def target(self, states):
        for state in ("damaged", "free"):
            if name_in(states, state) is not None:
                return name_in(states, state)
        path = "/".join(self.params["parents"] + self.params["names"][:1])
        raise Refused("a file or directory that is not ours has the name %s" % path)

    def temporary(self):
        """The directory of an interrupted run, or a new one."""
        own = [name for name in temporary_names(self.job) if self.is_own(name)]
        self.remove_temporaries(except_for=own[:1])
        if own:
            return own[0]
        name = free_temporary_name(self.parent, self.job)
        # The mark: from now on, the directory is known to be this job's.
        mark = dict(json.loads(self.content.decode("utf-8")), state="publishing", files=[], pages=[])
        with self.parent.make(name) as directory:
            directory.replace(MANIFEST, json.dumps(mark).encode("utf-8"))
        return name

    def is_own(self, name):
        stats = self.parent.stat(name)
        if stats is None or not stat.S_ISDIR(stats.st_mode):
            return False
        with self.parent.enter(name) as directory:
            manifest = manifest_of(directory)
            if manifest is not None:
                return manifest["job"] == self.job
            # Interrupted between creating the directory and marking it.
            return set(os.listdir(directory.fd)) <= set([PART])

    def remove_temporaries(self, except_for=()):
        for name in temporary_names(self.job):
            if name not in except_for and self.is_own(name):
                self.parent.remove(name, last=MANIFEST)

    def prune(self, directory):
        """Removes what the manifest does not name."""
        wanted = set([MANIFEST])
        for file in self.files:
            parents, name = split(file["path"])
            wanted.update("/".join(parents[: depth + 1]) + "/" for depth in range(len(parents)))
            wanted.add("/".join(parents + [name]))
        prune_below(directory, "", wanted)


def prune_below(directory, prefix, wanted):
    for name, stats in directory.entries():
        path = prefix + name
        if stat.S_ISDIR(stats.st_mode) and path + "/" in wanted:
            with directory.enter(name) as below:
                prune_below(below, path + "/", wanted)
        elif not stat.S_ISREG(stats.st_mode) or path not in wanted:
            directory.remove(name)


def make_below(directory, parents):
    place = directory
    for name in parents:
        below = place.enter_or_make(name)
        if place is not directory:
            os.close(place.fd)
        place = below
    return place


def is_whole(directory, file, read=True):
    """Whether a file has the size and the checksum of the manifest."""
    try:
        check_path(file["path"])
        parents, name = split(file["path"])
        if parents:
            with directory.enter(parents[0]) as below:
                return is_whole(below, dict(file, path="/".join(parents[1:] + [name])), read)
        source = directory.open(name)
        if source is None:
            return False
        with source:
            return os.fstat(source.fileno()).st_size == file["bytes"] and (not read or checksum(source) == file["sha256"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False
    except OSError as error:
        if error.errno in NOT_A_DIRECTORY:
            return False
        raise


def check_path(path):
    if not path or any(part in ("", ".", "..") for part in path.split("/")) or "\0" in path:
        raise ValueError("the manifest names the path %r" % path)


def split(path):
    parts = path.split("/")
    return parts[:-1], parts[-1]


def name_in(states, wanted):
    return next((name for name, state in states.items() if state == wanted), None)


def perform(params):
    for part in params["parents"] + params["names"]:
        check_path(part)
        if "/" in part or part.startswith("."):
            raise ValueError("%r cannot be the name of a directory" % part)
    if not JOB.fullmatch(params["job"]):
        raise ValueError("%r is not the id of a job" % params["job"])
    try:
        parent = open_below(params["root"], params["parents"], make=True)
    except OSError as error:
        if error.errno in NOT_A_DIRECTORY:
            raise Refused("a part of the path %s is a link or not a directory" % "/".join([params["root"]] + params["parents"]))
        raise
    with parent:
        publication = Publication(params, parent)
        return {"begin": publication.begin, "unpack": publication.unpack, "finish": publication.finish}[params["_step"]]()


def main():
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "directory": {"type": "path"},
            "job": {"type": "str", "required": True},
            "parents": {"type": "list", "elements": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "page": {"type": "str", "default": ""},
            "_step": {"type": "str", "choices": ["begin", "unpack", "finish"], "required": True},
            "_manifest": {"type": "path", "default": ""},
            "_archive": {"type": "path"},
            "_temporary": {"type": "str"},
        },
        supports_check_mode=False,
    )
    try:
        module.exit_json(changed=module.params["_step"] != "begin", **perform(module.params))
    except Refused as refused:
        module.exit_json(refused=str(refused))
    except OSError as error:
        again = " (another process published there: try again)" if error.errno in (errno.ENOTEMPTY, errno.EEXIST) else ""
        module.fail_json(msg="%s: %s%s" % (error.filename or module.params["root"], error.strerror, again))
    except ValueError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
