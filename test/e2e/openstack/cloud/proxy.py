"""
proxy.py NETNS: an HTTP proxy (absolute URIs, and CONNECT) that listens on 192.0.2.1:3128 inside a network namespace and
connects outside of it. It is the only access of the servers to outside networks; there is no NAT and no route. Needs root, and Python 3.11.
"""

import asyncio
import ctypes
import os
import socket
import sys

ADDRESS, PORT = "192.0.2.1", 3128
CLONE_NEWNET = 0x40000000
CONNECT_SECONDS = 30
libc = ctypes.CDLL(None, use_errno=True)


def enter(descriptor):
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def listen(namespace):
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    enter(os.open("/run/netns/" + namespace, os.O_RDONLY))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # The address may be added after the proxy starts.
    listener.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
    listener.bind((ADDRESS, PORT))
    listener.listen(200)
    enter(home)
    return listener


async def forward(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(reader, writer):
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, url, version = line.decode().split(" ", 2)
        authority, _, path = url.removeprefix("http://").partition("/")
        host, _, port = authority.partition(":")
        opening = asyncio.open_connection(host, int(port or 80))
        there, onward = await asyncio.wait_for(opening, CONNECT_SECONDS)
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        print("request failed:", repr(error), file=sys.stderr, flush=True)
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n")
        writer.close()
        return
    if method == "CONNECT":
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    else:
        # Each connection serves one request.
        dropped = (b"proxy-", b"connection:")
        lines = [line for line in rest.split(b"\r\n") if line and not line.lower().startswith(dropped)]
        onward.write(b"\r\n".join([f"{method} /{path} {version}".encode(), *lines, b"Connection: close", b"", b""]))
    await asyncio.gather(forward(reader, onward), forward(there, writer))


async def main():
    async with await asyncio.start_server(serve, sock=listen(sys.argv[1]), limit=1 << 20) as server:
        await server.serve_forever()


asyncio.run(main())
