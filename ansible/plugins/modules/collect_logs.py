#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Copies the files of an allowlist, but never files with keys or credentials."""

from __future__ import annotations

DOCUMENTATION = r"""
module: collect_logs
short_description: Collect the logs and configuration on an allowlist
description:
  - Copies regular files that an allowlist names into a new directory, and saves the output of commands and journals.
  - Never copies keys and credentials, whatever the allowlist says. This is decided by the path, by the target of
    a link, and by the beginning of the file.
  - Follows a link only to a file below the same directory of the allowlist.
  - Lists every omitted file with the reason.
version_added: 1.0.0
author:
  - The authors of sos-ci (@sos-ci)
options:
  dest:
    description: Directory that the module creates, after it removes anything at this path. The directory and its content
      belong to the owner of the parent directory.
    type: path
    required: true
  files:
    description: What to copy.
    type: list
    elements: dict
    default: []
    suboptions:
      root:
        description: Directory that holds the files. Missing ones are skipped silently.
        type: path
        required: true
      take:
        description: Paths below it. C(*) matches within one name, C(**) any number of directories.
        type: list
        elements: str
        required: true
      to:
        description: Directory below I(dest).
        type: str
        default: ""
      as_name:
        description: Another name for the copy, for an entry that takes one file.
        type: str
  services:
    description: Services whose C(*.conf) and C(*.ini) files in C(/etc/NAME) are copied.
    type: list
    elements: str
    default: []
  services_to:
    description: Directory below I(dest) for them.
    type: str
    default: ""
  paths:
    description: Absolute paths of more files, or of directories, which are copied with their content.
    type: list
    elements: str
    default: []
  paths_to:
    description: Directory below I(dest) for them.
    type: str
    default: ""
  commands:
    description: Commands whose output is saved.
    type: list
    elements: dict
    default: []
    suboptions:
      argv:
        description: Program and arguments. A program that is missing is skipped.
        type: list
        elements: str
        required: true
      to:
        description: File below I(dest).
        type: str
        required: true
      compress:
        description: Whether to compress the output with gzip.
        type: bool
        default: false
  journals:
    description: Patterns of systemd units. The journal of C(devstack@NAME) becomes C(screen-NAME.txt).
    type: list
    elements: str
    default: []
  journals_to:
    description: Directory below I(dest) for the journals.
    type: str
    default: ""
  journals_since:
    description: Start of the journals, in the form of C(journalctl --since). Empty means all entries.
    type: str
    default: ""
  never:
    description: Further patterns of names that are never copied.
    type: list
    elements: str
    default: []
  text_extensions:
    description: Extensions that become part of the file name, so that a browser shows the file as text. C(a.conf) becomes C(a_conf.txt).
    type: list
    elements: str
    default: [conf, log, localrc, stackenv, auto]
  max_file_bytes:
    description: Larger files are left out.
    type: int
    default: 104857600
  max_total_bytes:
    description: When this much has been collected, the rest is left out.
    type: int
    default: 1073741824
  command_timeout:
    description: Seconds that a command may take.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Collect Cinder's configuration
  sos_ci.openstack.collect_logs:
    dest: /opt/stack/collected
    files:
      - root: /etc/cinder
        take: ["*.conf"]
        to: logs/etc/cinder
    commands:
      - argv: [df, -h]
        to: logs/df.txt
"""

RETURN = r"""
collected:
  description: Number of files.
  type: int
  returned: always
skipped:
  description: The first hundred files that were left out, with the reason. C(not_collected.txt) lists all of them.
  type: list
  elements: dict
  returned: always
skipped_count:
  description: Number of files that were left out.
  type: int
  returned: always
"""

import fnmatch
import gzip
import os
import re
import shutil
import signal
import stat
import subprocess

from ansible.module_utils.basic import AnsibleModule

# Directories that hold keys or credentials.
NEVER_BELOW = frozenset((
    "fernet-keys", "credential-keys", "credential_keys", "fernet_keys", ".ssh", "secrets", "private", ".gnupg", ".docker",
    ".aws", "ssl.key", "keyrings",
))
# Names of files that hold keys or credentials.
NEVER_NAMED = (
    "accrc*", "*openrc*", "userrc*", "clouds*.y*ml", "secure*.y*ml", "accounts*.y*ml", "vars.y*ml", "vault*", "*.vault",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.key", "*.pem", "*.p12", "*.pfx", "*.jks", "*.keyring", "*.keytab",
    "*.kdbx", "*.gpg", "*_key", "*-key", ".erlang.cookie", ".my.cnf", "my.cnf.d", ".netrc", ".pgpass", ".git-credentials",
    "shadow", "gshadow", "shadow-", "gshadow-", "*.htpasswd", ".htpasswd", "passdb*", "*.secret", "debian.cnf", "runner.env", "extravars*",
)
KEY = re.compile(rb"^\s*(-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|PuTTY-User-Key-File|\$ANSIBLE_VAULT)", re.MULTILINE)
UNIT = re.compile(r"^[A-Za-z0-9@:._-]+$")
CHUNK = 1024 * 1024
# Limit for directory entries that are read. A job's logs have a few hundred.
MAX_ENTRIES = 50000
MAX_DEPTH = 32
# The complete list is in the report, beside the logs.
MAX_RETURNED = 100


class Collector:
    def __init__(self, params):
        self.dest = params["dest"]
        self.never = NEVER_NAMED + tuple(params["never"])
        self.extensions = params["text_extensions"]
        self.max_file = params["max_file_bytes"]
        self.bytes_left = params["max_total_bytes"]
        self.timeout = params["command_timeout"]
        self.entries_left = MAX_ENTRIES
        self.collected = 0
        self.skipped = []

    def skip(self, path, reason):
        self.skipped.append({"path": path, "reason": reason})

    def forbidden(self, path):
        parts = [part for part in path.lower().split("/") if part]
        if any(part in NEVER_BELOW for part in parts[:-1]):
            return True
        return any(fnmatch.fnmatchcase(part, pattern.lower()) for part in parts for pattern in self.never)

    def files(self, entry):
        root = os.path.realpath(entry["root"])
        if not os.path.isdir(root):
            return
        for relative in self.walk(root, "", entry["take"]):
            if any(matches(relative, pattern) for pattern in entry["take"]):
                self.file(root, relative, entry["to"], entry.get("as_name"))

    def walk(self, root, directory, take):
        """Yields all paths except directories. Enters a directory only if a pattern can match below it; follows no links."""
        try:
            found = sorted(os.scandir(os.path.join(root, directory)), key=lambda item: item.name)
        except OSError as error:
            self.skip(os.path.join(root, directory), error.strerror)
            return
        for item in found:
            self.entries_left -= 1
            if self.entries_left == -1:
                self.skip(os.path.join(root, directory), "the limit for directory entries is reached")
            if self.entries_left < 0:
                return
            relative = os.path.join(directory, item.name)
            if item.is_dir(follow_symlinks=False):
                if relative.count("/") >= MAX_DEPTH:
                    self.skip(os.path.join(root, relative), "nested too deep")
                elif any(may_match_below(relative, pattern) for pattern in take):
                    yield from self.walk(root, relative, take)
            else:
                yield relative

    def file(self, root, relative, to, as_name):
        path = os.path.join(root, relative)
        real = os.path.realpath(path)
        if self.forbidden(path) or self.forbidden(real):
            return self.skip(path, "keys and credentials are never collected")
        if not (real + "/").startswith(root.rstrip("/") + "/"):
            return self.skip(path, "a link that leads out of %s" % root)
        name = os.path.join(to, as_name) if as_name else os.path.join(to, relative)
        try:
            descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            return self.skip(path, error.strerror)
        with os.fdopen(descriptor, "rb") as source:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return self.skip(path, "not a regular file")
            if status.st_size > self.max_file:
                return self.skip(path, "larger than %d bytes" % self.max_file)
            head = source.read(4096)
            if KEY.search(head):
                return self.skip(path, "keys and credentials are never collected")
            self.save(name, path, source, head)

    def save(self, name, path, source, head=b"", compress=False):
        """Writes a stream to a file below dest. Removes the file again if a limit is reached."""
        target = os.path.join(self.dest, self.readable(name))
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        size = 0
        with open(target, "xb") as raw, (gzip.GzipFile("", "wb", 6, raw, 0) if compress else raw) as out:
            chunk = head or source.read(CHUNK)
            while chunk:
                size += len(chunk)
                if size > self.max_file or size > self.bytes_left:
                    break
                out.write(chunk)
                chunk = source.read(CHUNK)
        if chunk:
            os.unlink(target)
            reason = "larger than %d bytes" % self.max_file if size > self.max_file else "the limit for all files is reached"
            return self.skip(path, reason)
        self.bytes_left -= size
        self.collected += 1
        os.chmod(target, 0o644)
        return None

    def readable(self, name):
        """Moves the extension into the name, because a browser shows .txt files and downloads others."""
        directory, base = os.path.split(os.path.normpath("/" + name))
        parts = directory.split("/")[1:] if directory != "/" else []
        if any(part.startswith(".") for part in parts):
            parts = [part.lstrip(".") or "_" for part in parts]
        # A web server does not show hidden files, so the name gets an underscore in front of its dot.
        shown = "_" + base if base.startswith(".") else base
        stem, dot, extension = shown.rpartition(".")
        if dot and extension in self.extensions:
            shown = "%s_%s.txt" % (stem, extension)
        candidate = os.path.join(*(parts + [shown]))
        while os.path.lexists(os.path.join(self.dest, candidate)):
            candidate += "_"
        return candidate

    def command(self, argv, to, compress=False):
        name = " ".join(argv)
        try:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
                env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            )
        except OSError as error:
            return self.skip(name, error.strerror)
        previous = signal.signal(signal.SIGALRM, lambda *_args: kill_group(process))
        signal.alarm(self.timeout)
        try:
            self.save(to, name, process.stdout, compress=compress)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)
            kill_group(process)
            process.stdout.close()
            process.wait()
        return None

    def journals(self, patterns, to, since):
        for unit in self.units(patterns):
            name = unit[:-len(".service")] if unit.endswith(".service") else unit
            if name.startswith("devstack@"):
                name = "screen-" + name[len("devstack@"):]
            argv = ["journalctl", "--no-pager", "-q", "-o", "short-precise", "--unit", unit] + since
            self.command(argv, os.path.join(to, name + ".txt"))

    def units(self, patterns):
        if not patterns:
            return []
        argv = ["systemctl", "list-unit-files", "--no-legend", "--no-pager", "--"] + patterns
        try:
            found = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                   timeout=self.timeout, check=False).stdout.decode("utf-8", "replace")
        except (OSError, subprocess.TimeoutExpired) as error:
            self.skip("journals", str(error))
            return []
        names = sorted(set(line.split()[0] for line in found.splitlines() if line.strip()))
        return [name for name in names if UNIT.match(name) and not name.endswith("@.service")]

    def report(self, to):
        """Writes the list of omitted files, for the readers of the logs."""
        if self.skipped:
            path = os.path.join(self.dest, to)
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            with open(path, "w", encoding="utf-8", errors="replace") as file:
                file.writelines("%s: %s\n" % (printable(item["path"]), item["reason"]) for item in self.skipped)
            os.chmod(path, 0o644)


def printable(path):
    return "".join(character if character.isprintable() else "?" for character in path)


def kill_group(process):
    """Kills the command's process group. The command is its leader."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except OSError:
        pass


def matches(path, pattern):
    """Compares name by name, so that * never matches a slash."""
    return matches_parts(path.split("/"), pattern.split("/"))


def matches_parts(names, patterns):
    if not patterns:
        return not names
    if patterns[0] == "**":
        return any(matches_parts(names[skipped:], patterns[1:]) for skipped in range(len(names) + 1))
    return bool(names) and fnmatch.fnmatchcase(names[0], patterns[0]) and matches_parts(names[1:], patterns[1:])


def may_match_below(directory, pattern):
    """Whether a path below this directory could match the pattern."""
    patterns = pattern.split("/")
    for depth, name in enumerate(directory.split("/")):
        if depth >= len(patterns) - 1 and "**" not in patterns[:depth + 1]:
            return False
        if patterns[depth] == "**":
            return True
        if not fnmatch.fnmatchcase(name, patterns[depth]):
            return False
    return True


def entries(params):
    """Converts the services and the paths to entries of the allowlist."""
    found = [
        {"root": "/etc/" + os.path.basename(name), "take": ["*.conf", "*.ini"], "to": os.path.join(params["services_to"], name)}
        for name in params["services"]
    ]
    for path in params["paths"]:
        directory, name = os.path.split(path.rstrip("/"))
        if os.path.isdir(path):
            found.append({"root": path, "take": ["**"], "to": os.path.join(params["paths_to"], name)})
        else:
            found.append({"root": directory, "take": [name], "to": params["paths_to"]})
    return found


def empty_directory(path):
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
    os.makedirs(path, mode=0o755)


def give_to_parent_owner(path):
    """Gives the files that root collected to the owner of the parent directory, who must read and remove them."""
    owner = os.stat(os.path.dirname(path.rstrip("/")) or "/")
    for directory, _directories, files in os.walk(path, topdown=False):
        for name in [os.path.join(directory, name) for name in files] + [directory]:
            os.chown(name, owner.st_uid, owner.st_gid, follow_symlinks=False)


def main():
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "dict", "default": [], "options": {
                "root": {"type": "path", "required": True},
                "take": {"type": "list", "elements": "str", "required": True},
                "to": {"type": "str", "default": ""},
                "as_name": {"type": "str"},
            }},
            "services": {"type": "list", "elements": "str", "default": []},
            "services_to": {"type": "str", "default": ""},
            "paths": {"type": "list", "elements": "str", "default": []},
            "paths_to": {"type": "str", "default": ""},
            "commands": {"type": "list", "elements": "dict", "default": [], "options": {
                "argv": {"type": "list", "elements": "str", "required": True},
                "to": {"type": "str", "required": True},
                "compress": {"type": "bool", "default": False},
            }},
            "journals": {"type": "list", "elements": "str", "default": []},
            "journals_to": {"type": "str", "default": ""},
            "journals_since": {"type": "str", "default": ""},
            "never": {"type": "list", "elements": "str", "default": []},
            "text_extensions": {"type": "list", "elements": "str", "default": ["conf", "log", "localrc", "stackenv", "auto"]},
            "max_file_bytes": {"type": "int", "default": 100 * 1024 * 1024},
            "max_total_bytes": {"type": "int", "default": 1024 * 1024 * 1024},
            "command_timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=False,
    )
    params = module.params
    collector = Collector(params)
    empty_directory(params["dest"])
    for entry in params["files"] + entries(params):
        collector.files(entry)
    for entry in params["commands"]:
        collector.command(entry["argv"], entry["to"], entry["compress"])
    since = ["--since=" + params["journals_since"]] if params["journals_since"] else []
    collector.journals(params["journals"], params["journals_to"], since)
    collector.report(os.path.join(params["journals_to"], "not_collected.txt"))
    give_to_parent_owner(params["dest"])
    skipped = [{"path": printable(item["path"]), "reason": item["reason"]} for item in collector.skipped]
    module.exit_json(
        changed=True, collected=collector.collected, skipped=skipped[:MAX_RETURNED], skipped_count=len(skipped),
    )


if __name__ == "__main__":
    main()
