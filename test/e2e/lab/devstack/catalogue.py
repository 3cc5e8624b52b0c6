"""catalogue.py accounts | resources BACKENDS: what stack.sh creates through OpenStack's own APIs."""

import os
import sys
import time

import openstack

cloud = openstack.connect()


def accounts():
    identity = cloud.identity
    roles = {role.name: role for role in identity.roles()}
    project = identity.create_project(name="service", domain_id="default")
    for name, kind, url in (
        ("glance", "image", "http://127.0.0.1:9292"),
        ("cinder", "volumev3", "http://127.0.0.1:8776/v3/%(project_id)s"),
    ):
        user = identity.create_user(
            name=name, password=os.environ["SERVICE_PASSWORD"], domain_id="default", default_project_id=project.id
        )
        for role_name in ("admin", "service"):
            if role_name not in roles:
                roles[role_name] = identity.create_role(name=role_name)
            identity.assign_project_role_to_user(project, user, roles[role_name])
        service = identity.create_service(name=name, type=kind)
        identity.create_endpoint(service_id=service.id, interface="public", region_id="RegionOne", url=url)


def resources(backends):
    """Prints the id of the image, when the scheduler knows of all back ends."""
    options = {"disk_format": "raw", "container_format": "bare", "visibility": "public"}
    image = cloud.create_image("cirros", data=b"\0" * 1048576, wait=False, **options)
    names = backends.split(",")
    for name in names:
        cloud.block_storage.create_type(name=name, extra_specs={"volume_backend_name": name})
    until = time.monotonic() + 300
    while len(list(cloud.block_storage.backend_pools())) < len(names):
        if time.monotonic() > until:
            sys.exit("cinder-scheduler does not know all back ends")
        time.sleep(0.5)
    print(image.id)


{"accounts": accounts, "resources": resources}[sys.argv[1]](*sys.argv[2:])
