"""Nova's API, conductor, scheduler and compute service in one process, with in-memory transport instead of a broker."""

import os
import shlex
import sys

sys.path.pop(0)
sys.argv[0] = "nova"
from nova.cmd import compute as _compute  # noqa: E402,F401  the first import patches the standard library
import nova.conf  # noqa: E402
import nova.virt  # noqa: E402
import os_vif  # noqa: E402
from nova import config, objects, service, utils  # noqa: E402
from oslo_log import log as logging  # noqa: E402
from oslo_privsep import priv_context  # noqa: E402
from oslo_service import service as oslo_service  # noqa: E402

# Nova loads drivers only from this package.
nova.virt.__path__.append(os.environ["CLOUD"] + "/ext")
CONF = nova.conf.CONF
config.parse_args(sys.argv)
logging.setup(CONF, "nova")
priv_context.init(root_helper=shlex.split(utils.get_root_helper()))
objects.register_all()
os_vif.initialize()
objects.Service.enable_min_version_cache()
launcher = oslo_service.ServiceLauncher(CONF, restart_method="mutate")
for name in ("conductor", "scheduler", "compute"):
    launcher.launch_service(service.Service.create(binary="nova-" + name, topic=name))
launcher.launch_service(service.WSGIService("osapi_compute"))
launcher.wait()
