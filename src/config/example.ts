/** The smallest configuration that works, with its comments. `sos-ci config check --example` prints it; a test reads it back. */

export const EXAMPLE = `gerrit: {host: review.opendev.org, user: acme-ci, key: ~/.ssh/acme-ci}
report: {wiki: https://wiki.openstack.org/wiki/ThirdPartySystems/Acme_CI}
providers:
  local: {allowUntrustedCode: true}   # whoever may upload a change runs code on this host
jobs:
  acme-dsvm:
    project: openstack/cinder
    stacking: {command: [./stack.sh], timeout: 1h}
    testing: {command: [./run-tests.sh], timeout: 3h, results: results.tap}
    logs: [logs]
`;
