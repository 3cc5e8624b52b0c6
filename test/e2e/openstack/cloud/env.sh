# Sourced by the other scripts. The cloud's state is below $CLOUD; its ports are on 127.0.0.1 in its network namespace.
export CLOUD=${CLOUD:?the directory of the cloud}
export CLOUD_ROOTFS=$CLOUD/rootfs CLOUD_GUESTS=$CLOUD/guests CLOUD_BRIDGE=br-cloud CLOUD_ADDRESS=192.0.2.1/24
CLOUD_SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CLOUD_SCRIPTS CLOUD_PASSWORD=cloud-secret
export IDENTITY_PORT=5000 IMAGE_PORT=9292 PLACEMENT_PORT=8778 COMPUTE_PORT=8774 NETWORK_PORT=9696 VOLUME_PORT=8776 OBJECT_PORT=8080
export OS_CLIENT_CONFIG_FILE=$CLOUD/clouds.yaml OS_CLOUD=admin
# The system's Python, which has OpenStack's packages, and no proxy for loopback.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY PYTHONPATH
