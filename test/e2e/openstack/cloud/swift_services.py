"""Swift with one device and one replica: proxy, account, container and object servers, as children of this process."""

import ctypes
import os
import signal
import sys

from swift.common import utils
from swift.common.ring import RingBuilder
from swift.common.wsgi import run_wsgi

DIRECTORY = os.path.join(os.environ["CLOUD"], "etc", "swift")
PR_SET_PDEATHSIG = 1
PORTS = {"object": 6200, "container": 6201, "account": 6202}


def make_ring(name, port):
    path = os.path.join(DIRECTORY, name + ".ring.gz")
    if os.path.exists(path):
        return
    builder = RingBuilder(part_power=4, replicas=1, min_part_hours=0)
    address = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "weight": 1.0, "device": "disk", "meta": "", **address})
    builder.rebalance()
    builder.get_ring().save(path)


for name, port in PORTS.items():
    make_ring(name, port)
utils.set_swift_dir(DIRECTORY)
children = []
for name in [*PORTS, "proxy"]:
    pid = os.fork()
    if pid == 0:
        # Each server makes a session of its own, but ends with this process.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        sys.exit(run_wsgi(os.path.join(DIRECTORY, name + "-server.conf"), name + "-server"))
    children.append(pid)
for pid in children:
    os.waitpid(pid, 0)
