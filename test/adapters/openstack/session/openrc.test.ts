import { describe, expect, test } from 'vitest';
import { credentialsOf } from '../../../../src/adapters/openstack/session/credentials.ts';
import { parseOpenrc } from '../../../../src/adapters/openstack/session/openrc.ts';

const read = (text: string, environment: Readonly<Record<string, string>> = {}) =>
  parseOpenrc(text, 'x-openrc.sh', environment);
const plain = (text: string, environment?: Readonly<Record<string, string>>) =>
  Object.fromEntries([...read(text, environment).values].map(([name, { value }]) => [name, value]));

/** The file from Horizon for an application credential. The one below is that of Kolla and TripleO. */
const HORIZON = `#!/usr/bin/env bash

export OS_AUTH_TYPE=v3applicationcredential
export OS_AUTH_URL=https://cloud.example.org:5000
export OS_IDENTITY_API_VERSION=3
export OS_REGION_NAME="RegionOne"
export OS_INTERFACE=public
export OS_APPLICATION_CREDENTIAL_ID=0c1d
export OS_APPLICATION_CREDENTIAL_SECRET=s3cret-Zz
`;
const KOLLA = `# Ansible managed
# Clear any old environment that may conflict.
for key in $( set | awk '{FS="="}  /^OS_/ {print $1}' ); do unset $key ; done
export OS_PROJECT_DOMAIN_NAME='Default'
export OS_USER_DOMAIN_NAME='Default'
export OS_PROJECT_NAME='admin'
export OS_TENANT_NAME='admin'
export OS_USERNAME='admin'
export OS_PASSWORD='pa$$"word'
export OS_AUTH_URL='http://10.0.0.5:5000'
export OS_ENDPOINT_TYPE='internalURL'
export PS1=\${OS_CLOUDNAME:+($OS_CLOUDNAME)} # needs a shell, and is ignored
`;

describe('an openrc file', () => {
  test('of an application credential is read, without a scope', () => {
    expect(credentialsOf(read(HORIZON))).toMatchObject({
      authUrl: 'https://cloud.example.org:5000/v3',
      region: 'RegionOne',
      method: 'application-credential',
      request: {
        identity: {
          methods: ['application_credential'],
          application_credential: { id: '0c1d', secret: 's3cret-Zz' },
        },
      },
    });
    expect(credentialsOf(read(HORIZON)).request).not.toHaveProperty('scope');
  });

  test('of Kolla is read, and overrides the environment', () => {
    expect(credentialsOf(read(KOLLA, { OS_PROJECT_ID: 'another' }))).toMatchObject({
      interface: 'internal',
      request: {
        identity: {
          password: { user: { name: 'admin', domain: { name: 'Default' }, password: 'pa$$"word' } },
        },
        scope: { project: { name: 'admin', domain: { name: 'Default' } } },
      },
    });
  });

  test.each([
    ['export OS_A=b', 'b'],
    ["OS_A='b c'", 'b c'],
    ['export OS_A="b c" # comment', 'b c'],
    ['export OS_A="b\\$c\\"d\\e"', 'b$c"d\\e'],
    ['export OS_A=b\\ c', 'b c'],
    ['export OS_A=\'b\'"c"d#e', 'bcd#e'],
    [`HOST=h\nexport OS_A=http://$HOST:1/\${HOST}x`, 'http://h:1/hx'],
    ['export OS_A=$HOME/x', '/root/x'],
    ['OS_A=b\nexport OS_A', 'b'],
    ['export OS_B=1 OS_A=2', '2'],
    ['OS_A=1\r\nOS_A=2\r\n', '2'],
  ])('reads %j like a shell', (text, value) => {
    expect(plain(text, { HOME: '/root' }).a).toBe(value);
  });

  test('drops unset and empty variables', () => {
    const idiom = 'if [ -z "$OS_A" ]; then unset OS_A; fi';
    expect(plain(`export OS_A=""\n${idiom}`)).toEqual({});
    expect(plain(`export OS_A="b"\n${idiom}`)).toEqual({ a: 'b' });
    expect(plain('OS_A=1\nOS_B=2\nunset OS_A OS_C')).toEqual({ b: '2' });
  });

  test.each([
    [
      'echo "Please enter your password: "\nread -sr OS_PASSWORD_INPUT\nexport OS_PASSWORD=$OS_PASSWORD_INPUT',
      2,
      /prompts for a password/,
    ],
    ['source $(dirname "$0")/stackrc', 1, /executes none/],
    ['RC_DIR=$(cd $(dirname "$BASH_SOURCE") && pwd)\nsource $RC_DIR/functions', 2, /executes none/],
    ['if [[ -n "$1" ]]; then', 1, /executes none/],
    ['export OS_PASSWORD=$(cat /etc/secret)', 1, /only a shell/],
    ['export OS_PASSWORD=`id`', 1, /only a shell/],
    [`export OS_PASSWORD=\${X:-y}`, 1, /only a shell/],
    ['X=$(id)\nexport OS_PASSWORD=$X', 2, /only a shell/],
    ['export OS_A=b; touch /tmp/pwned', 1, /only a shell/],
    ['export OS_A="b', 1, /only a shell/],
    ['export OS_A=b touch', 1, /more than assignments/],
  ])('%j is refused, with its line and a hint', (text, line, message) => {
    expect(() => read(text)).toThrow(
      expect.objectContaining({
        target: `x-openrc.sh:${line}`,
        message: expect.stringMatching(message),
        hint: expect.stringContaining('/etc/openstack/clouds.yaml'),
      }),
    );
  });

  test('prefers proxies of the file to those of the daemon', () => {
    const { environment } = read('export https_proxy=http://p:1', {
      https_proxy: 'http://q:2',
      no_proxy: 'x',
    });
    expect(environment).toMatchObject({ https_proxy: 'http://p:1', no_proxy: 'x' });
  });
});
