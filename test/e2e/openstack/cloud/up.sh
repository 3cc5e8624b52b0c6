#!/usr/bin/env bash
# Starts a real OpenStack (Keystone, Glance, Placement, Nova, Neutron, Cinder) on 127.0.0.1 of this network namespace,
# without systemd and without a message broker. The first start creates databases, users and resources; later starts
# only start the services that do not run.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/env.sh"
etc=$CLOUD/etc log=$CLOUD/log run=$CLOUD/run
mkdir -p "$etc"/{keystone,glance,placement,nova,neutron,cinder,swift,policy.d} "$log" "$run" \
  "$CLOUD"/{lock,images,volumes,ext,guests,objects/disk} "$CLOUD"/state/{instances,cinder}
# Other users may pass through it, but not list it.
chmod 711 "$CLOUD"
progress() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

is_running() { [ -s "$run/$1.pid" ] && kill -0 "$(cat "$run/$1.pid")" 2> /dev/null; }

# start NAME COMMAND...: runs it detached, in a separate session, and writes its pid to a file.
start() {
  local name=$1
  shift
  ! is_running "$name" || return 0
  setsid nohup "$@" >> "$log/$name.out" 2>&1 < /dev/null &
  echo $! > "$run/$name.pid"
}

# wait_for_http NAME PORT: waits for any HTTP response, at most 90 s.
wait_for_http() {
  for ((i = 0; i < 900; i++)); do
    curl -s -o /dev/null --max-time 5 "http://127.0.0.1:$2/" && return 0
    is_running "$1" || { echo "$1 ended:"; tail -20 "$log/$1.out"; return 1; }
    sleep 0.1
  done
  echo "$1: no HTTP response on port $2"
  return 1
}

socket=$CLOUD/mysql.sock
database() { echo "mysql+pymysql://root@localhost/$1?unix_socket=$socket&charset=utf8"; }
sql() { mariadb --no-defaults -u root -S "$socket" "$@"; }
identity=http://127.0.0.1:$IDENTITY_PORT/v3

# login SECTION: the credentials that the services use for each other.
login() {
  cat << X
[$1]
auth_url = $identity
auth_type = password
username = service
password = $CLOUD_PASSWORD
project_name = service
user_domain_id = default
project_domain_id = default
region_name = RegionOne
X
}

authtoken() {
  login keystone_authtoken
  printf 'www_authenticate_uri = %s\nservice_token_roles = service\nservice_token_roles_required = true\n' "$identity"
  # A token that is revoked is refused at once.
  printf 'token_cache_time = -1\n'
}

# common DATABASE: the settings that all services have.
common() {
  printf '[database]\nconnection = %s\n' "$(database "$1")"
  printf '[oslo_concurrency]\nlock_path = %s\n[oslo_policy]\npolicy_dirs = %s\n' "$CLOUD/lock" "$etc/policy.d"
}

write_configuration() {
  cat > "$etc/keystone/keystone.conf" << X
[DEFAULT]
log_file = $log/keystone.log
[cache]
enabled = true
backend = dogpile.cache.memory
[token]
provider = fernet
expiration = ${TOKEN_SECONDS:-3600}
[fernet_tokens]
key_repository = $etc/keystone/fernet-keys
[credential]
key_repository = $etc/keystone/credential-keys
[identity]
password_hash_rounds = 4
$(common keystone)
X
  cat > "$etc/glance/glance-api.conf" << X
[DEFAULT]
log_file = $log/glance.log
bind_host = 127.0.0.1
bind_port = $IMAGE_PORT
workers = 1
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = $CLOUD/images
[paste_deploy]
flavor = keystone
$(common glance)
$(authtoken)
X
  cp /etc/glance/glance-api-paste.ini "$etc/glance/"
  cat > "$etc/placement/placement.conf" << X
[DEFAULT]
log_file = $log/placement.log
[api]
auth_strategy = keystone
[placement_database]
connection = $(database placement)
[oslo_policy]
policy_dirs = $etc/policy.d
$(authtoken)
X
  cat > "$etc/nova/nova.conf" << X
[DEFAULT]
host = cloud-compute
my_ip = 127.0.0.1
state_path = $CLOUD/state
instances_path = $CLOUD/state/instances
transport_url = fake:/
osapi_compute_listen = 127.0.0.1
osapi_compute_listen_port = $COMPUTE_PORT
osapi_compute_workers = 1
compute_driver = namespace_driver.NamespaceDriver
enabled_apis = osapi_compute
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
reserved_host_memory_mb = 0
update_resources_interval = 30
service_down_time = 120
reclaim_instance_interval = 0
default_schedule_zone = nova
[api_database]
connection = $(database nova_api)
[wsgi]
api_paste_config = /etc/nova/api-paste.ini
[glance]
api_servers = http://127.0.0.1:$IMAGE_PORT
[vnc]
enabled = false
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 15
[quota]
instances = 100
cores = 400
ram = 800000
[key_manager]
backend = nova.keymgr.conf_key_mgr.ConfKeyManager
$(common nova)
$(authtoken)
$(login placement)
$(login neutron)
$(login cinder)
catalog_info = volumev3::publicURL
$(login service_user)
send_service_user_token = true
X
  cat > "$etc/neutron/neutron.conf" << X
[DEFAULT]
log_file = $log/neutron.log
bind_host = 127.0.0.1
bind_port = $NETWORK_PORT
state_path = $CLOUD/state
core_plugin = ml2
service_plugins = router
api_paste_config = /etc/neutron/api-paste.ini
# No agent listens.
transport_url = fake:/
api_workers = 1
rpc_workers = 0
rpc_state_report_workers = 0
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
dhcp_agent_notification = false
[quotas]
quota_port = -1
[ml2]
type_drivers = flat,local
tenant_network_types = local
mechanism_drivers = cloud
extension_drivers = port_security
[ml2_type_flat]
flat_networks = *
[securitygroup]
enable_security_group = true
$(common neutron)
$(authtoken)
$(login nova)
X
  cat > "$etc/cinder/cinder.conf" << X
[DEFAULT]
osapi_volume_listen = 127.0.0.1
osapi_volume_listen_port = $VOLUME_PORT
osapi_volume_workers = 1
transport_url = fake:/
auth_strategy = keystone
my_ip = 127.0.0.1
host = cloud-volume
state_path = $CLOUD/state/cinder
api_paste_config = /etc/cinder/api-paste.ini
enabled_backends = files
glance_api_servers = http://127.0.0.1:$IMAGE_PORT
[files]
volume_driver = file_driver.FileDriver
volume_backend_name = files
$(common cinder)
$(authtoken)
X
  printf '[swift-hash]\nswift_hash_path_suffix = cloud\n[storage-policy:0]\nname = one\ndefault = yes\n' > "$etc/swift/swift.conf"
  local storage
  for storage in object:6200 container:6201 account:6202; do
    cat > "$etc/swift/${storage%:*}-server.conf" << X
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = ${storage#*:}
workers = 0
user = root
swift_dir = $etc/swift
devices = $CLOUD/objects
mount_check = false
[pipeline:main]
pipeline = ${storage%:*}-server
[app:${storage%:*}-server]
use = egg:swift#${storage%:*}
X
  done
  cat > "$etc/swift/proxy-server.conf" << X
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $OBJECT_PORT
workers = 0
user = root
swift_dir = $etc/swift
[pipeline:main]
pipeline = authtoken keystoneauth proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
$(authtoken | sed 's/^\[keystone_authtoken\]/[filter:authtoken]/; /^token_cache_time/d')
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true
X
  cat > "$CLOUD/clouds.yaml" << X
clouds:
  admin:
    region_name: RegionOne
    auth: {auth_url: "$identity", username: admin, password: "$CLOUD_PASSWORD", project_name: admin, user_domain_name: Default, project_domain_name: Default}
  lab:
    region_name: RegionOne
    auth: {auth_url: "$identity", username: lab, password: "$CLOUD_PASSWORD", project_name: lab, user_domain_name: Default, project_domain_name: Default}
X
  chmod 600 "$CLOUD/clouds.yaml"
}

# Neutron finds its mechanism driver by an entry point, Nova finds its driver in the package nova.virt, Cinder by the
# path.
install_drivers() {
  local info=$CLOUD/ext/cloud_drivers-1.0.dist-info
  mkdir -p "$info"
  cp "$here"/{namespace,port,file}_driver.py "$CLOUD/ext/"
  printf 'Metadata-Version: 2.1\nName: cloud-drivers\nVersion: 1.0\n' > "$info/METADATA"
  printf '[neutron.ml2.mechanism_drivers]\ncloud = port_driver:PortDriver\n' > "$info/entry_points.txt"
}

start_database() {
  if [ ! -d "$CLOUD/mysql/mysql" ]; then
    mariadb-install-db --no-defaults --user=root --datadir="$CLOUD/mysql" --auth-root-authentication-method=normal \
      --skip-test-db > "$log/mysql-install.log" 2>&1
  fi
  start mariadb mariadbd --no-defaults --user=root --datadir="$CLOUD/mysql" --socket="$socket" --skip-networking \
    --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 --innodb-buffer-pool-size=96M --innodb-log-file-size=32M \
    --max-connections=400 --skip-name-resolve --skip-log-bin --character-set-server=utf8mb3
  for ((i = 0; i < 300; i++)); do sql -e 'select 1' > /dev/null 2>&1 && break; sleep 0.1; done
  sql -e 'select 1' > /dev/null
}

fill_databases() {
  [ ! -e "$run/databases" ] || return 0
  for name in keystone glance placement nova_api nova nova_cell0 neutron cinder; do
    sql -e "create database if not exists $name"
  done
  local keystone=(keystone-manage --config-file "$etc/keystone/keystone.conf")
  local nova=(nova-manage --config-file "$etc/nova/nova.conf")
  (
    set -e
    "${keystone[@]}" db_sync
    glance-manage --config-file "$etc/glance/glance-api.conf" db_sync
    placement-manage --config-file "$etc/placement/placement.conf" db sync
    "${nova[@]}" api_db sync
    "${nova[@]}" cell_v2 map_cell0 --database_connection "$(database nova_cell0)"
    "${nova[@]}" db sync
    "${nova[@]}" cell_v2 list_cells | grep -q ' cell1 ' || "${nova[@]}" cell_v2 create_cell --name cell1
  ) > "$log/databases-1.log" 2>&1 &
  local first=$!
  (
    set -e
    neutron-db-manage --config-file "$etc/neutron/neutron.conf" upgrade heads
    cinder-manage --config-file "$etc/cinder/cinder.conf" --log-file "$log/cinder-manage.log" db sync
  ) > "$log/databases-2.log" 2>&1 &
  local second=$!
  wait $first || { tail -20 "$log/databases-1.log"; return 1; }
  wait $second || { tail -20 "$log/databases-2.log"; return 1; }
  mkdir -p "$etc"/keystone/{fernet-keys,credential-keys}
  chmod 700 "$etc"/keystone/{fernet-keys,credential-keys}
  {
    "${keystone[@]}" fernet_setup --keystone-user root --keystone-group root
    "${keystone[@]}" credential_setup --keystone-user root --keystone-group root
    "${keystone[@]}" bootstrap --bootstrap-password "$CLOUD_PASSWORD" --bootstrap-region-id RegionOne \
      --bootstrap-admin-url "$identity/" --bootstrap-internal-url "$identity/" --bootstrap-public-url "$identity/"
  } >> "$log/databases-1.log" 2>&1
  touch "$run/databases"
  progress 'databases are created'
}

# wsgi NAME PORT FILE VARIABLE=VALUE: one process, because Keystone's cache is in memory.
wsgi() {
  start "$1" env "$4" uwsgi --plugin python3 --master --die-on-term --no-orphans --lazy-apps --need-app --enable-threads \
    --processes 1 --threads 4 --buffer-size 65535 --http-socket "127.0.0.1:$2" --wsgi-file "$3" \
    --add-header 'Connection: close' --listen 100 --disable-logging
}

start_identity() { wsgi keystone "$IDENTITY_PORT" /usr/bin/keystone-wsgi-public "OS_KEYSTONE_CONFIG_DIR=$etc/keystone"; }
start_placement() { wsgi placement "$PLACEMENT_PORT" /usr/bin/placement-api "OS_PLACEMENT_CONFIG_DIR=$etc/placement"; }
start_image() {
  start glance python3 -c 'import sys; sys.argv[0] = "glance"; from glance.cmd.api import main; sys.exit(main())' \
    --config-file "$etc/glance/glance-api.conf"
}
start_network() { start neutron env PYTHONPATH="$CLOUD/ext" neutron-server --config-file "$etc/neutron/neutron.conf"; }
start_compute() {
  start nova env PYTHONPATH="$CLOUD/ext" python3 "$here/nova_services.py" --config-file "$etc/nova/nova.conf" --log-file "$log/nova.log"
}
start_volume() {
  start cinder env PYTHONPATH="$CLOUD/ext" python3 "$here/cinder_services.py" \
    --config-file "$etc/cinder/cinder.conf" --log-file "$log/cinder.log"
}

# Until its storage servers respond, Swift answers that there is no such container.
start_object() {
  start swift python3 "$here/swift_services.py"
  for port in 6200 6201 6202 "$OBJECT_PORT"; do wait_for_http swift "$port" || return 1; done
}

# Starts only the named services: those that a test has stopped, or Swift, which only one test needs.
if [ $# -gt 0 ]; then
  for service in "$@"; do "start_$service"; done
  exit
fi

if ! ip link show "$CLOUD_BRIDGE" > /dev/null 2>&1; then
  ip link set lo up
  ip link add "$CLOUD_BRIDGE" type bridge
  ip addr add "$CLOUD_ADDRESS" dev "$CLOUD_BRIDGE"
  ip link set "$CLOUD_BRIDGE" up
fi
start_database
write_configuration
install_drivers
fill_databases
start_identity
wait_for_http keystone "$IDENTITY_PORT"
[ -e "$run/catalogue" ] || { python3 "$here/seed.py" catalogue && touch "$run/catalogue"; }
progress 'Keystone responds'
start_placement
start_image
start_network
start_compute
start_volume
wait_for_http placement "$PLACEMENT_PORT"
wait_for_http glance "$IMAGE_PORT"
wait_for_http neutron "$NETWORK_PORT"
wait_for_http nova "$COMPUTE_PORT"
wait_for_http cinder "$VOLUME_PORT"
python3 "$here/seed.py" wait
[ -e "$run/resources" ] || { python3 "$here/seed.py" resources && touch "$run/resources"; }
progress 'the cloud is ready'
