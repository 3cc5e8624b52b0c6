#!/usr/bin/python
# Copyright (c) the authors of sos-ci
# Apache License 2.0 (see http://www.apache.org/licenses/LICENSE-2.0)
"""Removes published directories that have expired."""

from __future__ import annotations

DOCUMENTATION = r"""
module: expire_logs
short_description: Remove published logs that have expired
description:
  - Finds published directories, and removes those of the jobs in O(jobs). Directories that are left empty are removed too.
  - A directory is removed only if it is a real directory, reached without links, at the path that its own C(manifest.json) names,
    and if that manifest names O(deployment) and a time before O(before).
  - Readers see a directory complete or not at all. After an interruption, the next run removes the rest.
version_added: 1.0.0
author:
  - The authors of sos-ci (@sos-ci)
options:
  root:
    description: The directory of all logs on the log server. It must exist.
    type: path
    required: true
  deployment:
    description: Whose directories may be removed.
    type: str
    required: true
  before:
    description: Those that were published before this time, in seconds since 1970.
    type: float
    required: true
  jobs:
    description: The jobs whose directories are removed. Without it, expired ones are only returned.
    type: list
    elements: str
  limit:
    description: Directories of one run. The next one finds the others.
    type: int
    default: 5000
  page:
    description: Template for the index pages of directories, as in M(sos_ci.openstack.publish_logs).
    type: str
    default: ""
attributes:
  check_mode:
    support: none
    description: Leave out O(jobs) to see what has expired.
"""

EXAMPLES = r"""
- name: Find logs that have expired
  sos_ci.openstack.expire_logs:
    root: /srv/logs
    deployment: 8f14e45fceea167a
    before: 1767225600
  register: found

- name: Remove them
  sos_ci.openstack.expire_logs:
    root: /srv/logs
    deployment: 8f14e45fceea167a
    before: 1767225600
    jobs: "{{ found.expired }}"
"""

RETURN = r"""
expired:
  description: The jobs whose directories have expired or, with O(jobs), were removed.
  type: list
  elements: str
  returned: always
"""

import calendar
import os
import stat
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sos_ci.openstack.plugins.module_utils.published_logs import (
    FIRST_WITH_PAGE,
    JOB,
    MANIFEST,
    SHORT_ID,
    Directory,
    free_temporary_name,
    manifest_of,
    remove_lone_page,
    temporary_names,
    update_page,
)

# LAST2, CHANGE, PATCHSET, PIPELINE, JOB.
PARENTS = 5
# The first three of them are numbers.
NUMBERS = 3


class Expiry:
    def __init__(self, params):
        self.params = params
        self.jobs = None if params["jobs"] is None else set(params["jobs"])
        self.expired = []

    def walk(self, directory, parents):
        """Returns the number of directories that were removed."""
        removed = 0
        for name, stats in sorted(directory.entries()):
            if not stat.S_ISDIR(stats.st_mode) or len(self.expired) >= self.params["limit"]:
                continue
            if len(parents) == PARENTS:
                removed += self.job(directory, name, parents)
            elif len(parents) >= NUMBERS or name.isdigit():
                removed += self.directory(directory, name, stats, parents)
        return removed

    def directory(self, parent, name, stats, parents):
        below = parents + [name]
        has_page = len(below) >= FIRST_WITH_PAGE
        directory = parent.enter_if_possible(name)
        if directory is None:
            return 0
        with directory:
            removed = self.walk(directory, below)
            # Also directories that an interrupted run left empty. A publisher that has just entered one fails, and tries again.
            if self.jobs is None or (removed == 0 and stats.st_mtime >= self.params["before"]):
                return removed
            if has_page:
                remove_lone_page(directory)
            try:
                os.rmdir(name, dir_fd=parent.fd)
            except OSError:
                if has_page and removed > 0:
                    update_page(directory, below, self.params["page"])
        return removed

    def job(self, parent, name, parents):
        manifest = self.old_manifest(parent, name)
        if manifest is None or not self.has_expired(manifest, name, parents):
            return 0
        job = manifest["job"]
        if self.jobs is not None and job not in self.jobs:
            return 0
        self.expired.append(job)
        if self.jobs is None:
            return 0
        hidden = name
        if name not in temporary_names(job):
            hidden = free_temporary_name(parent, job)
            parent.rename(name, hidden)
            parent.sync()
        # The manifest goes last, so that the rest of an interrupted removal is still known to be ours.
        parent.remove(hidden, last=MANIFEST)
        return 1

    def old_manifest(self, parent, name):
        directory = parent.enter_if_possible(name)
        if directory is None:
            return None
        with directory:
            try:
                stats = directory.stat(MANIFEST)
                # Most directories are recent: their manifests need not be read.
                return manifest_of(directory) if stats is not None and stats.st_mtime < self.params["before"] else None
            except PermissionError:
                return None

    def has_expired(self, manifest, name, parents):
        """The proof that a directory may be removed."""
        job = manifest["job"]
        if manifest.get("deployment") != self.params["deployment"] or not JOB.fullmatch(job):
            return False
        if name not in temporary_names(job) + [job[:SHORT_ID], job]:
            return False
        try:
            change, patchset = manifest["patchset"]["change"], manifest["patchset"]["patchset"]
            at = calendar.timegm(time.strptime(manifest["publishedAt"][:19], "%Y-%m-%dT%H:%M:%S"))
            own = [str(change)[-2:].zfill(2), str(change), str(patchset), manifest["pipeline"], manifest["name"]]
        except (KeyError, TypeError, ValueError):
            return False
        return at < self.params["before"] and own == parents


def main():
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "required": True},
            "deployment": {"type": "str", "required": True},
            "before": {"type": "float", "required": True},
            "jobs": {"type": "list", "elements": "str"},
            "limit": {"type": "int", "default": 5000},
            "page": {"type": "str", "default": ""},
        },
        supports_check_mode=False,
    )
    expiry = Expiry(module.params)
    try:
        with Directory(os.path.realpath(module.params["root"])) as root:
            removed = expiry.walk(root, [])
    except OSError as error:
        module.fail_json(msg="%s: %s" % (error.filename or module.params["root"], error.strerror))
    module.exit_json(changed=removed > 0, expired=sorted(set(expiry.expired)))


if __name__ == "__main__":
    main()
