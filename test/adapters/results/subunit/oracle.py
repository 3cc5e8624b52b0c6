"""Reads many subunit v2 streams with python-subunit, and prints the events of each as one line of JSON.

Standard input: for each stream its length in four bytes, big-endian, and its bytes.
"""

import json
import struct
import sys
import tempfile

from subunit.v2 import EPOCH, ByteStreamToStreamResult


class Events:
    def __init__(self):
        self.events = []

    def status(
        self,
        test_id=None,
        test_status=None,
        test_tags=None,
        runnable=True,
        file_name=None,
        file_bytes=None,
        eof=False,
        mime_type=None,
        route_code=None,
        timestamp=None,
    ):
        microseconds = None
        if timestamp is not None:
            since = timestamp - EPOCH
            microseconds = (since.days * 86400 + since.seconds) * 10**6 + since.microseconds
        self.events.append(
            {
                "testId": test_id,
                "status": test_status,
                "tags": list(test_tags or []),
                "runnable": runnable,
                "fileName": file_name,
                "content": bytes(file_bytes or b"").hex(),
                "mimeType": mime_type,
                "eof": eof,
                "routeCode": route_code,
                "microseconds": microseconds,
            }
        )


def main():
    source = sys.stdin.buffer
    while True:
        length = source.read(4)
        if not length:
            return
        # Uses a file, because python-subunit handles text differently in a buffer.
        with tempfile.TemporaryFile() as stream:
            stream.write(source.read(struct.unpack(">I", length)[0]))
            stream.seek(0)
            events = Events()
            try:
                ByteStreamToStreamResult(stream, non_subunit_name="text").run(events)
            except (struct.error, ValueError):
                # Version 1.4.5 raises these for a truncated number and for a length below that of the header.
                events.status(test_id="subunit.parser", test_status="fail")
        print(json.dumps(events.events))


main()
