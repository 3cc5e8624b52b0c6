#!/usr/bin/env bash
# Stands in for DevStack, with the same interface: reads local.conf, sets up Keystone, Glance, and Cinder from /opt/stack/cinder
# over the packages of Debian or Ubuntu, as units devstack@NAME; leaves accounts, logs and Tempest's configuration where
# DevStack leaves them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. ./functions.sh
[ "$(id -u)" -ne 0 ] || die 'stack.sh must not run as root'
[ -s local.conf ] || die 'there is no local.conf'
section local localrc > .localrc.auto
. ./.localrc.auto
start_log "$LOGFILE"
identity=http://127.0.0.1:5000/v3

database() { echo "mysql+pymysql://root:$DATABASE_PASSWORD@127.0.0.1/$1?charset=utf8"; }
# CINDER_ENABLED_BACKENDS is a list of TYPE:NAME.
backends() { tr , '\n' <<< "$CINDER_ENABLED_BACKENDS" | sed 's/.*://' | paste -sd, -; }

# authtoken USER: how a service checks tokens.
authtoken() {
  cat << X
[keystone_authtoken]
auth_url = $identity
www_authenticate_uri = $identity
auth_type = password
username = $1
password = $SERVICE_PASSWORD
project_name = service
user_domain_id = default
project_domain_id = default
service_token_roles_required = True
X
}

write_configuration() {
  sudo install -d -o "$USER" /etc/{keystone,glance,cinder,openstack,tempest} "$DEST"/data/{glance,cinder,tempest} "$DEST/data/nfs"
  sudo rm -f /etc/{keystone,glance,cinder}/*.conf
  sudo chown -R "$USER" /etc/{keystone,glance,cinder}
  cat > /etc/keystone/keystone.conf << X
[DEFAULT]
debug = True
[database]
connection = $(database keystone)
[cache]
enabled = True
backend = dogpile.cache.memory
[identity]
password_hash_rounds = 4
X
  cat > /etc/glance/glance-api.conf << X
[DEFAULT]
bind_host = 127.0.0.1
workers = 1
[database]
connection = $(database glance)
[glance_store]
stores = file
default_store = file
filesystem_store_datadir = $DEST/data/glance
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
$(authtoken glance)
X
  cat > /etc/cinder/cinder.conf << X
[DEFAULT]
debug = True
osapi_volume_listen = 127.0.0.1
osapi_volume_workers = 1
transport_url = rabbit://stackrabbit:$RABBIT_PASSWORD@127.0.0.1:5672/
my_ip = 127.0.0.1
state_path = $DEST/data/cinder
api_paste_config = $DEST/cinder/etc/cinder/api-paste.ini
rootwrap_config = /etc/cinder/rootwrap.conf
resource_query_filters_file = $DEST/cinder/etc/cinder/resource_filters.json
enabled_backends = $(backends)
glance_api_servers = http://127.0.0.1:9292
default_volume_type = $(backends | cut -d, -f1)
[database]
connection = $(database cinder)
[oslo_concurrency]
lock_path = $DEST/data/cinder
$(authtoken cinder)
X
  # oslo.config joins sections of one name.
  section post-config '$GLANCE_API_CONF' >> /etc/glance/glance-api.conf
  section post-config '$KEYSTONE_CONF' >> /etc/keystone/keystone.conf
  section post-config '$CINDER_CONF' >> /etc/cinder/cinder.conf
  # Without filters: reading them takes longer than the command.
  sudo install /dev/stdin /usr/local/bin/cinder-rootwrap <<< $'#!/bin/sh\nshift\nexec "$@"'
  echo "127.0.0.1:$DEST/data/nfs" > /etc/cinder/nfs_shares
}

start_database_and_broker() {
  sudo systemctl --quiet start mariadb rabbitmq-server
  sudo mariadb << X
create or replace user root@127.0.0.1 identified by '$DATABASE_PASSWORD';
grant all on *.* to root@127.0.0.1;
create or replace database keystone character set utf8;
create or replace database glance character set utf8;
create or replace database cinder character set utf8;
X
  sudo rabbitmqctl -q list_users | grep -q stackrabbit || sudo rabbitmqctl -q add_user stackrabbit <<< "$RABBIT_PASSWORD"
  sudo rabbitmqctl -q set_permissions stackrabbit '.*' '.*' '.*'
}

fill_identity() {
  keystone-manage db_sync
  keystone-manage fernet_setup --keystone-user "$USER" --keystone-group "$USER"
  keystone-manage credential_setup --keystone-user "$USER" --keystone-group "$USER"
  OS_BOOTSTRAP_PASSWORD=$ADMIN_PASSWORD keystone-manage bootstrap --bootstrap-region-id RegionOne \
    --bootstrap-admin-url "$identity" --bootstrap-internal-url "$identity" --bootstrap-public-url "$identity"
}

# program PROJECT NAME: the packages of the services are left out, and so are their programs.
program() { echo "import sys; sys.argv[0] = '$1-$2'; from $1.cmd.$2 import main; sys.exit(main())"; }

write_accounts() {
  mkdir -p accrc/admin
  printf 'export OS_AUTH_URL=%s OS_USERNAME=admin OS_PASSWORD=%s OS_PROJECT_NAME=admin\n' "$identity" "$ADMIN_PASSWORD" > accrc/admin/admin
  cat > /etc/openstack/clouds.yaml << X
clouds:
  devstack-admin:
    region_name: RegionOne
    auth:
      auth_url: $identity
      username: admin
      password: "$ADMIN_PASSWORD"
      project_name: admin
      user_domain_id: default
      project_domain_id: default
X
  printf '%s\n' "SERVICE_HOST=127.0.0.1" "OS_IDENTITY_API_VERSION=3" "LOGFILE=$LOGFILE" > .stackenv
}

configure_tempest() {
  mkdir -p "$DEST/tempest/etc"
  local discovery
  discovery=$(python3 -c 'import os, tempest; print(os.path.dirname(tempest.__file__))')
  printf '[DEFAULT]\ntest_path=%s\ntop_dir=%s\n' "$discovery/test_discover" "${discovery%/tempest}" > "$DEST/tempest/.stestr.conf"
  cat > "$DEST/tempest/etc/tempest.conf" << X
[DEFAULT]
log_file = $DEST/tempest/tempest.log
debug = True
[oslo_concurrency]
lock_path = $DEST/data/tempest
[auth]
admin_username = admin
admin_password = $ADMIN_PASSWORD
admin_project_name = admin
admin_domain_name = Default
use_dynamic_credentials = True
create_isolated_networks = False
tempest_roles = member
[identity]
uri_v3 = $identity
auth_version = v3
region = RegionOne
[compute]
image_ref = $image
image_ref_alt = $image
[service_available]
cinder = True
nova = False
glance = True
neutron = False
swift = False
[volume]
catalog_type = volumev3
max_microversion = latest
build_interval = 1
build_timeout = ${BUILD_TIMEOUT:-196}
X
  section test-config '$TEMPEST_CONFIG' >> "$DEST/tempest/etc/tempest.conf"
  ln -sf "$DEST/tempest/etc/tempest.conf" /etc/tempest/tempest.conf
}

[ -e "$DEST/cinder" ] || git clone --quiet "$GIT_BASE/openstack/cinder" "$DEST/cinder"
say "Cinder is at $(git -C "$DEST/cinder" rev-parse HEAD)"
write_configuration
start_database_and_broker
say 'database and broker run'
fill_identity &
keystone=$!
glance-manage --config-file /etc/glance/glance-api.conf db_sync &
glance=$!
cinder=0
PYTHONPATH=$DEST/cinder python3 -c "$(program cinder manage)" db sync || cinder=$?
wait $keystone
wait $glance
[ $cinder -eq 0 ] || die 'the schema of Cinder was not made'
say 'databases are made'
unit keystone uwsgi --plugin python3 --master --die-on-term --lazy-apps --need-app --enable-threads --processes 1 --threads 4 \
  --buffer-size 65535 --add-header "'Connection: close'" --http-socket 127.0.0.1:5000 --wsgi-file /usr/bin/keystone-wsgi-public
unit g-api python3 -c "\"$(program glance api)\"" --config-file /etc/glance/glance-api.conf
for name in api scheduler volume; do
  unit "c-${name:0:3}" env "PYTHONPATH=$DEST/cinder" python3 -c "\"$(program cinder $name)\"" --config-file /etc/cinder/cinder.conf
done
write_accounts
answers keystone 5000
say 'Keystone answers'
OS_CLOUD=devstack-admin SERVICE_PASSWORD=$SERVICE_PASSWORD python3 catalogue.py accounts
answers g-api 9292
answers c-api 8776
image=$(OS_CLOUD=devstack-admin python3 catalogue.py resources "$(backends)")
configure_tempest
if [ -x local.sh ]; then
  echo 'Running user script local.sh'
  ./local.sh
fi
say "stack.sh completed in $SECONDS seconds."
