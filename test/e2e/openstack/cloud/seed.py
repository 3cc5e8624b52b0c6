"""seed.py catalogue|wait|resources: creates users, endpoints, flavors, an image and networks in one process."""

import os
import subprocess
import sys
import time

import openstack

CLOUD = os.environ["CLOUD"]
PASSWORD = os.environ["CLOUD_PASSWORD"]
DEADLINE = time.monotonic() + 90
cloud = openstack.connect(cloud="admin")


def catalogue():
    identity = cloud.identity
    roles = {role.name: role for role in identity.roles()}
    for name, role_names in (("service", ("admin", "service")), ("lab", ("member",))):
        project = identity.find_project(name) or identity.create_project(name=name, domain_id="default")
        user = identity.find_user(name) or identity.create_user(
            name=name, password=PASSWORD, domain_id="default", default_project_id=project.id
        )
        for role_name in role_names:
            if role_name not in roles:
                roles[role_name] = identity.create_role(name=role_name)
            identity.assign_project_role_to_user(project, user, roles[role_name])
    services = (
        ("glance", "image", "IMAGE", ""),
        ("placement", "placement", "PLACEMENT", ""),
        ("nova", "compute", "COMPUTE", "/v2.1"),
        ("neutron", "network", "NETWORK", ""),
        ("cinderv3", "volumev3", "VOLUME", "/v3/%(project_id)s"),
        ("swift", "object-store", "OBJECT", "/v1/AUTH_%(project_id)s"),
    )
    there = {service.type: service for service in identity.services()}
    for name, kind, port, path in services:
        service = there.get(kind) or identity.create_service(name=name, type=kind)
        made = {endpoint.interface for endpoint in identity.endpoints(service_id=service.id)}
        for interface in {"public", "internal"} - made:
            identity.create_endpoint(
                service_id=service.id,
                interface=interface,
                region_id="RegionOne",
                url="http://127.0.0.1:" + os.environ[port + "_PORT"] + path,
            )


def until(what, check):
    while not check():
        if time.monotonic() > DEADLINE:
            sys.exit(what)
        time.sleep(0.3)


def wait():
    """Waits until nova-compute is up, mapped to its cell and known to Placement, and cinder-volume is up."""
    until("nova-compute did not come up", lambda: compute_service() == "up")
    mapped = CLOUD + "/run/mapped"
    if not os.path.exists(mapped):
        command = ["nova-manage", "--config-file", CLOUD + "/etc/nova/nova.conf", "cell_v2", "discover_hosts"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        open(mapped, "w").close()
    # A fresh Neutron responds with 500 if the first request is for ports.
    list(cloud.network.networks())
    until("nova-compute has no resources", lambda: list(cloud.placement.resource_providers()))
    until("cinder-volume did not come up", lambda: volume_service() == "up")


def compute_service():
    return next((one.state for one in cloud.compute.services() if one.binary == "nova-compute"), None)


def volume_service():
    services = cloud.block_storage.get("/os-services", headers={"OpenStack-API-Version": "volume 3.0"}).json()
    return next((one["state"] for one in services["services"] if one["binary"] == "cinder-volume"), None)


def resources():
    compute, network = cloud.compute, cloud.network
    for name, vcpus, ram, disk in (("small", 1, 512, 2), ("large", 2, 1024, 4)):
        compute.find_flavor(name) or compute.create_flavor(name=name, vcpus=vcpus, ram=ram, disk=disk)
    if not cloud.image.find_image("debian-12"):
        # The content of the image is not used: all servers have the root file system below $CLOUD.
        options = {"disk_format": "raw", "container_format": "bare", "visibility": "public", "os_admin_user": "root"}
        cloud.create_image("debian-12", data=b"\0" * 1048576, wait=False, **options)
    subnet("private", "192.0.2.0/24", "192.0.2.1", is_shared=True)
    subnet("storage", "198.51.100.0/24", None, is_shared=True)
    external = {"is_router_external": True, "provider_network_type": "flat", "provider_physical_network": "ext"}
    public = subnet("public", "203.0.113.0/24", "203.0.113.1", **external)
    router = network.find_router("router") or network.create_router(
        name="router", external_gateway_info={"network_id": public.id}
    )
    private = network.find_subnet("private")
    if not list(network.ports(device_id=router.id, network_id=private.network_id)):
        network.add_interface_to_router(router, subnet_id=private.id)


def subnet(name, cidr, gateway, **options):
    network = cloud.network
    made = network.find_network(name) or network.create_network(name=name, **options)
    network.find_subnet(name) or network.create_subnet(
        name=name, network_id=made.id, ip_version=4, cidr=cidr, is_dhcp_enabled=False, gateway_ip=gateway
    )
    return made


{"catalogue": catalogue, "wait": wait, "resources": resources}[sys.argv[1]]()
