/**
 * Fresh random secrets in many places and shapes on the server. Most are named nowhere and have a value of their own each,
 * so that each shape is recognized by itself. The job's own secrets may be anywhere.
 */
import { randomBytes } from 'node:crypto';
import type { LabOptions } from './lab.ts';

/** What is planted, and where; `$` is the value. The comment line before each says which it is. */
interface Place {
  readonly file: string;
  readonly text: string;
  readonly value: string;
}

interface Published {
  readonly name: string;
  readonly bytes: Buffer;
}

/** All are collected by the roles. The journal is that of a unit. */
const CINDER = '/etc/cinder/cinder.conf';
const KEYSTONE = '/etc/keystone/acme.ini';
const STACKENV = '/opt/stack/devstack/.stackenv';
const STACK_LOG = '/opt/stack/logs/devstacklog.txt';
const DUMP = '/opt/stack/logs/worlddump-latest.txt';
const TEMPEST_LOG = '/opt/stack/tempest/tempest.log';
const PERFORMANCE = '/opt/stack/data/performance.json';
const BROKER_LOG = '/var/log/rabbitmq/acme.log';
const APACHE_LOG = '/var/log/apache2/acme.log';
const JOURNAL = '/opt/stack/data/acme.journal';

/** Nobody names these values: they are known by the shape that they are in, as docs/results.md says. */
const SHAPES: readonly (readonly [file: string, ...texts: string[]])[] = [
  [
    CINDER,
    ...[
      'acme_password = $',
      'netapp_password=$',
      'san_password = $',
      'san_login = $',
      'san_api_port_key = $',
    ],
    ...['admin_token = $', 'memcache_secret_key = $', 'fixed_key = $', 'acme_api_key = $', 'chap_secret = $'],
    ...['acme_passphrase = $', 'acme_credential = $', 'acme_password = two words $', 'acme_password = "$ "'],
    'transport_url = rabbit://acme:$@192.0.2.7:5672/',
    'connection = mysql+pymysql://acme:$@192.0.2.7/acme?charset=utf8',
  ],
  [KEYSTONE, 'slave_connection = postgresql://acme:$@192.0.2.7/acme', 'password: $', 'client_secret = $'],
  [STACKENV, 'ACME_PASSWORD=$', "OS_PASSWORD='$'", 'export OS_TOKEN=$', 'SERVICE_PASSWORD="$"'],
  [STACK_LOG, '+ ADMIN_PASSWORD=$', '++ acme --acme-password=$ --verbose', 'declare -x RABBIT_PASSWORD="$"'],
  [DUMP, 'OS_PASSWORD=$', 'passwd: $', '  - password: "$"', "  admin_password: '$'", 'private_key: $'],
  [
    TEMPEST_LOG,
    ...['{"auth": {"password": "$"}}', '{"access_token":"$","expires":1}', "{'password': '$', 'n': 1}"],
    ...["{u'secret': u'$'}", 'body "{\\"password\\": \\"$\\"}"', 'X-Auth-Token: $'],
    'GET https://acme:$@192.0.2.9/api/volumes HTTP/1.1',
  ],
  [PERFORMANCE, '  "db_password" : "$",', '{"san_password":"$"}'],
  [BROKER_LOG, 'user acme, secret => $'],
  [APACHE_LOG, '192.0.2.1 - - "GET /?token=$ HTTP/1.1" 200'],
  [JOURNAL, 'acme_password = $', '{"password": "$"}', 'connecting to amqp://acme:$@192.0.2.7:5672'],
  [JOURNAL, '-----BEGIN RSA PRIVATE KEY-----\n$\n-----END RSA PRIVATE KEY-----'],
  [DUMP, '{"key": "-----BEGIN PRIVATE KEY-----\\n$\\n-----END PRIVATE KEY-----\\n"}'],
];

/** Published files are read in chunks of powers of two. */
const CHUNKS = [16, 64, 128, 256].map((kib) => kib * 1024);

export class Canaries implements LabOptions {
  readonly secret = `${random()}&/+"' $\`%${random()}`;
  readonly secretVariables = { acme_password: `${random()}/+=${random()}` };
  readonly #places: readonly Place[];

  constructor() {
    const shaped = SHAPES.flatMap(([file, ...texts]) =>
      texts.map(
        (text): Place => ({
          file,
          text,
          // A URL escapes characters that a password may contain elsewhere.
          value: text.includes('://') ? random() : `${random()}/+${random()}`,
        }),
      ),
    );
    const [first] = shaped;
    const named = [
      ...written(this.secret).map((text) => ({
        file: DUMP,
        text: `acme says ${text} here`,
        value: this.secret,
      })),
      ...written(first?.value ?? '').map((text) => ({
        file: JOURNAL,
        text: `acme says ${text} here`,
        value: '',
      })),
    ];
    this.#places = [...shaped, ...named];
  }

  get count(): number {
    return this.#places.length;
  }

  /** Writes them, and starts a unit that prints its part, with a secret in its environment and its arguments. */
  get localScript(): string {
    const plant = this.#places.map(({ file, text, value }, index) =>
      append(file, `# ${label(index)}\n${text.replaceAll('$', () => value)}\n`),
    );
    const split = CHUNKS.map((size, index) => {
      const padding = `# chunk-${index}`.padEnd(size - 12, '.');
      return append(`/var/log/apache2/chunk-${index}.log`, `${padding}${this.secret}\n`);
    });
    return `#!/bin/sh
append() {
  sudo mkdir -p "$(dirname "$1")"
  # What DevStack's user may write stays that user's.
  touch "$1" 2> /dev/null
  base64 -d | sudo tee -a "$1" > /dev/null
}
${[...plant, ...split].join('\n')}
sudo tee /etc/systemd/system/devstack@acme.service > /dev/null << 'X'
[Service]
Environment=ACME_PASSWORD=${this.#own[0]}
ExecStart=/bin/sh -c 'cat ${JOURNAL}; sleep infinity; true' --acme-password=${this.#own[1]}
X
sudo systemctl daemon-reload
sudo systemctl start devstack@acme
`;
  }

  readonly #own = [random(), random()];

  /** Places that were not collected: a search for their values would show nothing. */
  missing(files: readonly Published[]): readonly string[] {
    const labels = this.#places.map((_place, index) => `# ${label(index)}\n`);
    const wanted = [...labels, ...CHUNKS.map((_size, index) => `# chunk-${index}`)];
    return wanted.filter((text) => !files.some(({ bytes }) => bytes.includes(text)));
  }

  /** The places of secrets that can be read in what is published. */
  found(files: readonly Published[]): readonly string[] {
    const values = new Map(this.#places.map(({ value, text, file }) => [value, `${file}: ${text}`]));
    values.set(this.secret, 'the secret of the job');
    values.set(this.secretVariables.acme_password, 'a variable of the job');
    for (const value of this.#own) values.set(value, 'devstack@acme');
    values.delete('');
    return [...values].flatMap(([value, from]) =>
      readable(value).flatMap((text) =>
        files.filter(({ bytes }) => bytes.includes(text)).map(({ name }) => `${name} has ${text} (${from})`),
      ),
    );
  }
}

/** The forms that a secret takes on its way into a log, a part of a longer text in base64 at each offset included. */
function written(value: string): readonly string[] {
  const longer = ['u:', 'me:', 'you:'].map((name) => Buffer.from(`${name}${value}@host`).toString('base64'));
  return [...escaped(value), Buffer.from(value).toString('base64'), ...longer];
}

/** What shows that a secret is in a text, in whatever form. */
function readable(value: string): readonly string[] {
  const bytes = Buffer.from(value);
  const parts = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // The first and the last characters depend on what is beside the secret.
    return text.slice(before === 0 ? 0 : 4, -4);
  });
  return [...new Set([...escaped(value), ...parts])];
}

function escaped(value: string): readonly string[] {
  const hex = Buffer.from(value).toString('hex');
  return [
    value,
    hex,
    hex.toUpperCase(),
    encodeURIComponent(value),
    JSON.stringify(value).slice(1, -1),
    value.replaceAll("'", `'\\''`),
    value.replace(/["$`\\]/g, '\\$&'),
  ];
}

function append(file: string, text: string): string {
  return `append '${file}' << 'X'\n${Buffer.from(text).toString('base64')}\nX`;
}

function label(index: number): string {
  return `place-${`${index}`.padStart(2, '0')}-end`;
}

function random(): string {
  return randomBytes(12).toString('base64url').replaceAll(/[-_]/g, 'x');
}
