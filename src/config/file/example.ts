/** The smallest configuration that works, with its comments. `sos-ci config check --example` prints it; a test reads it back. */

export const EXAMPLE = `gerrit: {host: review.opendev.org, user: acme-ci, key: ~/.ssh/acme-ci}
report: {helpUrl: https://wiki.openstack.org/wiki/ThirdPartySystems/Acme_CI}
providers:
  lab: {type: static, hosts: {node1: {host: node1.acme.example}},   # whoever uploads a change runs code there
        ssh: {user: stack, key: ~/.ssh/acme-node, knownHosts: ~/.ssh/known_hosts}}
jobs:
  acme-dsvm:
    project: openstack/cinder
    stacking: {command: [./stack.sh], timeout: 1h}
    testing: {command: [./run-tests.sh], timeout: 3h, results: results.tap}
    logs: [logs]
`;
