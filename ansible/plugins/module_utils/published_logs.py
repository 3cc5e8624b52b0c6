# Copyright (c) the authors of sos-ci
# Apache License 2.0 (see http://www.apache.org/licenses/LICENSE-2.0)
"""Published directories on a log server: whose they are, and the pages of the directories above them. No link is followed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import html
import json
import os
import re
import stat
import time
import unicodedata
from urllib.parse import quote

MANIFEST = "manifest.json"
INDEX = "index.html"
# A file that is being written.
PART = MANIFEST + ".part"
MAX_MANIFEST_BYTES = 64 * 1024 * 1024
JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
# A directory is named after the first characters of its job's id, or after the whole id if that name is taken.
SHORT_ID = 12
# Web servers serve no names that begin with a dot. More than one is needed only where others have taken such a name.
TEMPORARY_NAMES = 10
OUR_PAGE = b'<meta name="generator" content="sos-ci">'
PAGE_HEAD_BYTES = 512
# The directory of the change is the second below the root.
FIRST_WITH_PAGE = 2
MAX_ROWS = 2000
# Another host may publish into the directory while its page is made.
ROUNDS = 3
# What a killed process leaves behind of a page that it was writing.
UNFINISHED = re.compile(r"\.index\.html\.[0-9a-f]{8}")
NOT_A_DIRECTORY = (errno.ENOTDIR, errno.ELOOP)


class Directory:
    """An open directory. Its entries are reached by name, whatever happens to the path meanwhile."""

    def __init__(self, path, parent=None):
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        self.fd = os.open(path, flags) if parent is None else os.open(path, flags | os.O_NOFOLLOW, dir_fd=parent.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        os.close(self.fd)

    def enter(self, name):
        return Directory(name, self)

    def enter_if_possible(self, name):
        """None if it is gone, not a directory, or not readable."""
        try:
            return self.enter(name)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EACCES) + NOT_A_DIRECTORY:
                return None
            raise

    def lock(self):
        """Fails if another process has it. The lock ends with this process."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OSError(errno.EEXIST, "locked")
        except OSError:
            # Some network file systems cannot lock directories.
            pass

    def make(self, name):
        os.mkdir(name, 0o755, dir_fd=self.fd)
        directory = self.enter(name)
        # The umask reduces the mode of mkdir.
        os.fchmod(directory.fd, 0o755)
        return directory

    def enter_or_make(self, name):
        try:
            return self.enter(name)
        except FileNotFoundError:
            pass
        try:
            return self.make(name)
        except FileExistsError:
            return self.enter(name)

    def stat(self, name):
        """None if it does not exist."""
        try:
            return os.stat(name, dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def entries(self):
        """Names with their stat."""
        found = [(name, self.stat(name)) for name in os.listdir(self.fd)]
        return [(name, stats) for name, stats in found if stats is not None]

    def open(self, name):
        """Opens a regular file to read it. None if there is no such file."""
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=self.fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENXIO) + NOT_A_DIRECTORY:
                return None
            raise
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return os.fdopen(fd, "rb")
        os.close(fd)
        return None

    def replace(self, name, content, part=PART):
        """Writes a file that readers see complete or not at all."""
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=self.fd)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
        self.rename(part, name)

    def rename(self, name, to):
        os.rename(name, to, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def sync(self):
        os.fsync(self.fd)

    def remove(self, name, last=None):
        """Removes a file or a tree; in a tree, the file C(last) goes last."""
        stats = self.stat(name)
        if stats is None:
            return
        if not stat.S_ISDIR(stats.st_mode):
            os.unlink(name, dir_fd=self.fd)
            return
        with self.enter(name) as directory:
            for entry in sorted(os.listdir(directory.fd), key=lambda entry: entry == last):
                directory.remove(entry)
        os.rmdir(name, dir_fd=self.fd)


def manifest_of(directory):
    """The manifest, which says whose the directory is. None if it has none."""
    file = directory.open(MANIFEST)
    if file is None:
        return None
    with file:
        return parse_manifest(file.read(MAX_MANIFEST_BYTES + 1))


def parse_manifest(content):
    try:
        manifest = json.loads(content.decode("utf-8"))
    except ValueError:
        return None
    ours = isinstance(manifest, dict) and manifest.get("version") == 1 and isinstance(manifest.get("job"), str)
    if not ours or not all(isinstance(manifest.get(key), list) for key in ("files", "pages")):
        return None
    return manifest


def temporary_names(job):
    return [".sos-ci-%s.%d" % (job, number + 1) for number in range(TEMPORARY_NAMES)]


def free_temporary_name(directory, job):
    for name in temporary_names(job):
        if directory.stat(name) is None:
            return name
    raise OSError(errno.EEXIST, "all temporary names of %s are taken" % job)


def checksum(file):
    digest = hashlib.sha256()
    while True:
        data = file.read(1024 * 1024)
        if not data:
            return digest.hexdigest()
        digest.update(data)


def update_pages(root, parents, template):
    """Writes the pages from the last directory up to that of the change. The next publication corrects what fails here."""
    for depth in range(len(parents), FIRST_WITH_PAGE - 1, -1):
        try:
            with open_below(root, parents[:depth]) as directory:
                update_page(directory, parents[:depth], template)
        except OSError:
            pass


def open_below(root, parents, make=False):
    directory = Directory(os.path.realpath(root))
    for name in parents:
        with directory as parent:
            directory = parent.enter_or_make(name) if make else parent.enter(name)
    return directory


def update_page(directory, parents, template):
    written = None
    for _round in range(ROUNDS if template else 0):
        page = page_of(directory, parents, template)
        if page == written or not has_own_page(directory, missing=True):
            return
        directory.replace(INDEX, page, ".%s.%s" % (INDEX, os.urandom(4).hex()))
        written = page


def has_own_page(directory, missing):
    if directory.stat(INDEX) is None:
        return missing
    file = directory.open(INDEX)
    if file is None:
        return False
    with file:
        return OUR_PAGE in file.read(PAGE_HEAD_BYTES)


def remove_lone_page(directory):
    """Removes the page of a directory that has nothing else."""
    names = os.listdir(directory.fd)
    if all(name == INDEX or UNFINISHED.fullmatch(name) for name in names) and has_own_page(directory, missing=True):
        for name in names:
            directory.remove(name)


def page_of(directory, parents, template):
    shown = [(name, stats) for name, stats in directory.entries() if not name.startswith(".") and name != INDEX]
    shown.sort(key=lambda entry: [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", entry[0])])
    title = " / ".join([",".join(parents[1:3])] + list(parents[3:]))
    parts = {
        "@TITLE@": text_of(title),
        "@PARENT@": '<p class="note"><a href="../index.html">Parent directory</a></p>\n' if len(parents) > FIRST_WITH_PAGE else "",
        "@ROWS@": "".join(row_of(name, stats) for name, stats in shown[-MAX_ROWS:]),
        "@MORE@": '<p class="note">Earlier entries that are not shown: %d.</p>\n' % (len(shown) - MAX_ROWS) if len(shown) > MAX_ROWS else "",
    }
    return re.sub("@[A-Z]+@", lambda found: parts.get(found.group(), found.group()), template).encode("utf-8")


def row_of(name, stats):
    directory = stat.S_ISDIR(stats.st_mode)
    target = quote(os.fsencode(name), safe="!~*'()") + ("/" + INDEX if directory else "")
    size = "" if directory else size_of(stats.st_size if stat.S_ISREG(stats.st_mode) else 0)
    at = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(stats.st_mtime))
    shown = text_of(name + ("/" if directory else ""))
    return '<tr><td><a href="./%s">%s</a></td><td class="number">%s</td><td class="number">%s</td></tr>\n' % (
        html.escape(target), shown, size, at,
    )


def text_of(text):
    """Escapes HTML, and replaces characters that reorder or hide the text around them."""
    return html.escape("".join("\ufffd" if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp") else one for one in text))


def size_of(size):
    if size < 1000:
        return "%d B" % size
    value, units = size / 1000.0, ["kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000.0, units[1:]
    return ("%.1f %s" if value < 9.95 else "%.0f %s") % (value, units[0])
