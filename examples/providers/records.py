"""What the examples remember of the servers that they made: one file for each, on the disk before the server is.

sos-ci starts such a program with one JSON object on standard input and reads one from standard output:

    create  {"action": "create", "name": ..., "owner": {"deployment": ..., "job": ..., "attempt": ...}}
            -> {"id": ..., "address": {"host": ..., "port": ..., "user": ..., "directory": ...}, "hostKey": "TYPE BASE64"}
    list    {"action": "list"}
            -> {"servers": [{"id": ..., "name": ..., "owner": {...}, "address": {...}, "hostKey": ...}]}
    delete  {"action": "delete", "id": ..., "name": ..., "owner": {...}}
            -> nothing

Of an address only the host is needed. The last line on standard error is what the operator reads when it failed.
"""

import contextlib
import json
import os
import sys


class Records:
    """Files NAME.json in a directory. A server's record is there from before it is made until after it is gone."""

    def __init__(self, directory):
        self.directory = os.path.expanduser(directory)
        os.makedirs(self.directory, mode=0o700, exist_ok=True)

    def claim(self, name, record):
        """False when the name is taken. A link is made for exactly one caller, and its record is whole: a full disk takes none."""
        with self._written(name, record) as making:
            try:
                os.link(making, self._file(name))
            except FileExistsError:
                return False
        self._sync()
        return True

    def change(self, name, record):
        with self._written(name, record) as making:
            os.replace(making, self._file(name))
        self._sync()

    def all(self):
        """Oldest first, as [name, record]. One that was cut off while it was written names no server yet."""
        found = []
        for entry in os.scandir(self.directory):
            if not entry.name.endswith(".json"):
                continue
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError), open(entry.path) as file:
                found.append((entry.stat().st_mtime_ns, entry.name[: -len(".json")], json.load(file)))
        return [[name, record] for _, name, record in sorted(found, key=lambda one: one[:2])]

    def drop(self, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._file(name))
        self._sync()

    @contextlib.contextmanager
    def _written(self, name, record):
        """A file of the caller's own with this record, on the disk. What is left of it goes."""
        making = f"{self._file(name)}.{os.getpid()}.new"
        try:
            with open(making, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                json.dump(record, file)
                file.flush()
                os.fsync(file.fileno())
            yield making
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(making)

    def _file(self, name):
        if not name or "/" in name or name.startswith("."):
            raise ValueError(f"no name for a record: {name!r}")
        return os.path.join(self.directory, name + ".json")

    def _sync(self):
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def request():
    """What sos-ci asks for."""
    return json.load(sys.stdin)


def answer(value):
    json.dump(value, sys.stdout)
    sys.stdout.write("\n")


def give_up(why):
    """75: trying again may help. 78 would say that it is of no use."""
    print(why, file=sys.stderr)
    sys.exit(75)
