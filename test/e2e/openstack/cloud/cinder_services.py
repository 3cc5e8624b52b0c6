"""Cinder's API, scheduler and volume service in one process, with an in-memory transport instead of a broker."""

import sys

import eventlet

eventlet.monkey_patch()
sys.argv[0] = "cinder"
from cinder import objects, rpc, service, utils, version  # noqa: E402
from cinder.common import config  # noqa: E402,F401
from oslo_config import cfg  # noqa: E402
from oslo_log import log as logging  # noqa: E402
from oslo_service import service as oslo_service  # noqa: E402

CONF = cfg.CONF
objects.register_all()
CONF(sys.argv[1:], project="cinder", version=version.version_string())
logging.setup(CONF, "cinder")
utils.monkey_patch()
rpc.init(CONF)
backend = CONF.enabled_backends[0]
CONF.register_opt(cfg.StrOpt("backend_host"), group=backend)
launcher = oslo_service.ServiceLauncher(CONF, restart_method="mutate")
launcher.launch_service(service.Service.create(binary="cinder-scheduler"))
launcher.launch_service(
    service.Service.create(
        host=CONF.host + "@" + backend, service_name=backend, binary="cinder-volume", coordination=True
    )
)
launcher.launch_service(service.WSGIService("osapi_volume"))
launcher.wait()
