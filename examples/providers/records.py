"""The records of the servers that the examples created: one file for each, on disk before the server exists.

sos-ci starts such a program with one JSON object on standard input and reads one from standard output:

    create  {"action": "create", "name": ..., "owner": {"deployment": ..., "job": ..., "attempt": ...}}
            -> {"id": ..., "address": {"host": ..., "port": ..., "user": ..., "directory": ...}, "hostKey": "TYPE BASE64"}
    list    {"action": "list"}
            -> {"servers": [{"id": ..., "name": ..., "owner": {...}, "address": {...}, "hostKey": ...}]}
    delete  {"action": "delete", "id": ..., "name": ..., "owner": {...}}
            -> nothing

Only the host of an address is required. On a failure the operator sees the last line of standard error.
"""

import contextlib
import json
import os
import sys


class Records:
    """Files NAME.json in a directory. A server's record exists from before its creation until after its deletion."""

    def __init__(self, directory):
        self.directory = os.path.expanduser(directory)
        os.makedirs(self.directory, mode=0o700, exist_ok=True)

    def claim(self, name, record):
        """False if the name is taken. `link` succeeds for exactly one caller, and the record is complete."""
        with self._temporary_file(name, record) as temporary:
            try:
                os.link(temporary, self._file(name))
            except FileExistsError:
                return False
        self._sync()
        return True

    def change(self, name, record):
        with self._temporary_file(name, record) as temporary:
            os.replace(temporary, self._file(name))
        self._sync()

    def all(self):
        """Oldest first, as [name, record]. A file that is removed meanwhile, or holds no JSON, is left out."""
        found = []
        for entry in os.scandir(self.directory):
            if not entry.name.endswith(".json"):
                continue
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError), open(entry.path) as file:
                found.append((entry.stat().st_mtime_ns, entry.name[: -len(".json")], json.load(file)))
        return [[name, record] for _, name, record in sorted(found, key=lambda entry: entry[:2])]

    def drop(self, name):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._file(name))
        self._sync()

    @contextlib.contextmanager
    def _temporary_file(self, name, record):
        """A temporary file with this record, synced to disk and removed afterwards."""
        temporary = f"{self._file(name)}.{os.getpid()}.new"
        try:
            with open(temporary, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                json.dump(record, file)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    def _file(self, name):
        if not name or "/" in name or name.startswith("."):
            raise ValueError(f"invalid name of a record: {name!r}")
        return os.path.join(self.directory, name + ".json")

    def _sync(self):
        handle = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def request():
    """The request of sos-ci."""
    return json.load(sys.stdin)


def answer(value):
    json.dump(value, sys.stdout)
    sys.stdout.write("\n")


def give_up(why):
    """Exit code 75: a retry may help. 78 would mean that it cannot."""
    print(why, file=sys.stderr)
    sys.exit(75)
