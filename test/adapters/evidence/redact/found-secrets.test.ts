/** Secrets that are not configured, in many forms. None of them appears in published files. */
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { collectRequest, JOB, publishRequest } from '../../../contracts/evidence.ts';
import { everyByte, type LocalRig, makeRig, writeAt } from '../../logs/rig.ts';
import { encodePacket } from '../../results/subunit/streams.ts';

const { signal } = new AbortController();
let rig: LocalRig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(() => rig.close());

/** Different forms of passwords; X is the password. */
const FORMS = [
  'password = X',
  'password=X',
  'san_password = X',
  'san_login = X',
  'admin_password=X',
  'ADMIN_PASSWORD=X',
  'export OS_PASSWORD=X',
  "export OS_PASSWORD='X'",
  'export OS_PASSWORD="X"',
  'DATABASE_PASSWORD="X"',
  'SERVICE_TOKEN=X',
  'auth_token: X',
  'admin_token = X',
  'memcache_secret_key = X',
  'metadata_proxy_shared_secret = X',
  'netapp_password = X',
  'hpe3par_password = X',
  'sf_api_key = X',
  'transport_url = rabbit://stackrabbit:X@10.0.0.5:5672/',
  'connection = mysql+pymysql://root:X@127.0.0.1/cinder?charset=utf8',
  'slave_connection=postgresql://root:X@db/cinder',
  'connection = X://odd',
  'iscsi_chap_passphrase = X',
  '  password: X',
  '  password: "X"',
  "  password: 'X'",
  '- password: X',
  '{"password": "X", "user": "admin"}',
  'body "{\\"name\\": \\"a\\", \\"password\\": \\"X\\"}"',
  'body "{\\"password\\":\\"one \\\\\\" two X\\"}"',
  '{"auth":{"identity":{"password":{"user":{"name":"admin","password":"X"}}}}}',
  "{'adminPass': 1, 'password': u'X'}",
  "body: {'access_token': 'X'}",
  '2026-01-02 03:04:05.678 DEBUG oslo_service [-] cinder.san_password = X log_opt_values',
  'Jan 02 03:04:05 node stack.sh[42]: + PASSWORD=X',
  '+ functions:run:10 mysql --password=X -h 127.0.0.1',
  'curl -H "x-api-key: X" https://array/',
  'git clone https://ci:X@git.example.org/repo',
  '"secret_key": "X",',
  'ldap_password=X # of the directory',
  'private_key=X',
  'backend.san_api_token = X',
];

test('removes passwords in every form without configuration', async () => {
  const planted = FORMS.map((form) => ({ form, canary: `k${randomBytes(9).toString('hex')}` }));
  for (const [index, { form, canary }] of planted.entries()) {
    const text = `[DEFAULT]\nenabled_backends = lvm\n${form.replaceAll('X', canary)}\nverbose = true\n`;
    await writeAt(
      `${rig.tree}/etc/${index}.conf${index % 3 === 0 ? '.gz' : ''}`,
      index % 3 === 0 ? gzipSync(text) : text,
    );
  }
  const { published, manifest } = await publish(['etc']);
  const left = planted.filter(({ canary }) => published.includes(canary)).map(({ form }) => form);
  expect(left).toEqual([]);
  expect(published).toContain('enabled_backends = lvm\n');
  expect(manifest.redacted.length).toBeGreaterThanOrEqual(FORMS.length);
  expect(manifest.redacted.find(({ path }) => path === 'worktree/etc/2.conf')?.keys).toEqual([
    'san_password',
  ]);
});

test('removes a password of a configuration file from every file, in every encoding', async () => {
  const canary = `P4$'"&<${randomBytes(12).toString('base64')} `.trim();
  const bytes = Buffer.from(canary);
  const forms = {
    plain: canary,
    ...Object.fromEntries(
      [0, 1, 2].map((n) => [
        `base64, ${n}`,
        Buffer.concat([Buffer.alloc(n, '-'), bytes, Buffer.from(':end')]).toString('base64'),
      ]),
    ),
    hex: bytes.toString('hex'),
    'hex in capitals': bytes.toString('hex').toUpperCase(),
    url: encodeURIComponent(canary),
    json: JSON.stringify({ value: canary }),
    'single quotes': `'${canary.replaceAll("'", `'\\''`)}'`,
    'double quotes': `"${canary.replace(/["$`\\]/g, '\\$&')}"`,
    'printf %q': canary.replace(/[^A-Za-z0-9_./:@%+,=-]/g, '\\$&'),
    html: canary
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('"', '&quot;')
      .replaceAll("'", '&#39;'),
  };
  await writeAt(`${rig.tree}/etc/cinder.conf`, `[lvm]\nsan_password = ${canary}\n`);
  for (const [index, form] of Object.values(forms).entries()) {
    await writeAt(`${rig.tree}/logs/${index}.log`, `it says ${form} here\n`);
    await writeAt(`${rig.tree}/logs/${index}.log.gz`, gzipSync(`it says ${form} here\n`));
    // The secret crosses the end of a chunk.
    const chunk = 1 << 18;
    const before = '-'.repeat(chunk - Math.ceil(form.length / 2));
    await writeAt(`${rig.tree}/logs/${index}.chunk`, `${before}${form}\n`);
  }
  await rig.writeStageLog(JOB, 1, 'testing', `PASS ${canary}\n`);
  const { published } = await publish(['logs', 'etc']);
  for (const [name, form] of Object.entries(forms)) {
    if (name.startsWith('base64')) expect(published, name).not.toContain(form.slice(4, -8));
    else expect(published, name).not.toContain(form);
  }
  expect(published.split('[redacted]').length).toBeGreaterThan(Object.keys(forms).length * 3);
});

test('removes private keys, and the whole assignment of a short value', async () => {
  const lines = Array.from({ length: 5 }, () => randomBytes(48).toString('base64'));
  const key = ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines, '-----END OPENSSH PRIVATE KEY-----'];
  await writeAt(`${rig.tree}/logs/id_rsa`, `${key.join('\n')}\n`);
  await writeAt(`${rig.tree}/logs/out.log`, `${key.map((line) => `Jan 02 node: ${line}`).join('\n')}\n`);
  await writeAt(`${rig.tree}/logs/a.conf`, 'password = abc1\nabc1 tests passed\n');
  const { published } = await publish(['logs']);
  for (const line of lines) expect(published).not.toContain(line);
  expect(published).not.toContain('password = abc1');
  expect(published).toContain('abc1 tests passed');
});

test('removes a private key on one line, in a diff, in JSON, and in a field', async () => {
  const line = () => randomBytes(48).toString('base64');
  const [begin, end] = ['-----BEGIN PRIVATE KEY-----', '-----END PRIVATE KEY-----'];
  const shapes = [
    (body: string) => `key=${begin}${body}${end}`,
    (body: string) => `-${begin}\n-${body}\n-${end}`,
    (body: string) => `+${begin}\n+${body}\n+${end}`,
    (body: string) => JSON.stringify({ key: `${begin}\n${body}\n${end}\n` }),
    (body: string) => `line=${begin}\nline=${body}\nline=${end}`,
    (body: string) => `2026-01-02 node-1 prog[7]: ${begin}\n2026-01-02 node-1 prog[7]: ${body}`,
  ];
  const bodies = shapes.map(line);
  for (const [index, shape] of shapes.entries())
    await writeAt(`${rig.tree}/logs/${index}`, `${shape(bodies[index] ?? '')}\n`);
  const { published } = await publish(['logs']);
  for (const body of bodies) expect(published).not.toContain(body);
});

test('removes a private key from a journal, and keeps the fields between its lines', async () => {
  const lines = Array.from({ length: 5 }, () => randomBytes(48).toString('base64'));
  const key = ['-----BEGIN PRIVATE KEY-----', ...lines, '-----END PRIVATE KEY-----'];
  const fields = ['_MACHINE_ID=0123456789abcdef0123456789abcdef', '_HOSTNAME=sos-ci-j1m8m2jtjq8sdtns5-1'];
  const paths = ['_CMDLINE=/usr/lib/python3/distribution/start --log-file=/var/log/syslog'];
  const entries = key.map((line) => [...fields, ...paths, `MESSAGE=${line}`].join('\n'));
  await writeAt(`${rig.tree}/logs/journal`, `${entries.join('\n\n')}\n`);
  const { published } = await publish(['logs']);
  for (const line of lines) expect(published).not.toContain(line);
  // Each once in the file and once on its page.
  for (const field of [...fields, ...paths]) expect(published.split(field)).toHaveLength(2 * key.length + 1);
});

test('keeps text that is not a secret', async () => {
  const text = `password: authentication failed for admin
auth_type = password
token_expiration = 3600
password = $ADMIN_PASSWORD
password = ***
Connection: keep-alive
authentication is done, and 7 connections: all open
`;
  await writeAt(`${rig.tree}/logs/a.log`, text);
  const { published } = await publish(['logs']);
  for (const line of text.split('\n').slice(1)) expect(published).toContain(line);
  expect(published).toContain('authentication is done');
});

test('keeps what follows an empty value, an object, and the function of a module', async () => {
  const cfg = '/usr/lib/python3/dist-packages/oslo_config/cfg.py:2609';
  const kept = [
    `DEBUG cinder [-] cache.memcache_password        =  log_opt_values ${cfg}`,
    `DEBUG cinder [-] debug                          = True log_opt_values ${cfg}`,
    `{"token": {"methods": ["password"], "audit_ids": ["x"]}}`,
    `{"credentials": [{"id": 1}], "secret": ({"id": 2})}`,
    'paste.filter_factory = oslo_middleware:Healthcheck.factory',
  ];
  const entryPoint = 'paste.filter_factory = keystonemiddleware.auth_token:filter_factory';
  await writeAt(`${rig.tree}/logs/a.log`, [...kept, entryPoint, ''].join('\n'));
  const { published } = await publish(['logs']);
  for (const line of kept) expect(published).toContain(line);
  expect(published).toContain('paste.filter_factory = [redacted]');
});

test('removes passwords in a very long line', async () => {
  await writeAt(`${rig.tree}/logs/long`, `${'x'.repeat(3_000_000)} password=k0987654321`);
  const { published } = await publish(['logs']);
  expect(published).not.toContain('k0987654321');
});

test('publishes no file whose secrets are more than are kept, and none that would be searched after it', async () => {
  const passwords = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, index) => `password=value-${from + index}`).join(' ');
  await rig.writeStageLog(JOB, 1, 'testing', passwords(1_000, 5_000));
  await writeAt(`${rig.tree}/a/log`, 'value-1000 again');
  await writeAt(`${rig.tree}/b/log`, passwords(5_000, 6_100));
  await writeAt(`${rig.tree}/c/log`, 'value-6099 again');
  const traceback = { testId: 'a.test', fileName: 'traceback', content: Buffer.from('token=value-7000\n') };
  await writeAt(`${rig.tree}/d/log`, encodePacket({ ...traceback, status: 'fail' }));
  const { published, manifest } = await publish(['a', 'b', 'c', 'd'], { subunit: 'd/log' });
  expect(published).not.toMatch(/value-\d/);
  expect(manifest.files.map(({ path }) => path)).toEqual(['attempt-1/testing.log', 'worktree/a/log']);
  const why = 'this job has too many secrets: those in it could not be removed';
  expect(manifest.skippedFiles).toEqual([
    { path: 'worktree/b/log', why },
    { path: 'worktree/c/log', why },
    { path: 'worktree/d/log', why },
    { path: 'testr_results.html', why },
  ]);
  expect(manifest.skipped).toBe(4);
  expect(manifest.failedTests).toMatchObject([{ name: 'a.test', traceback: '' }]);
});

test('takes no digest of a token for a secret', async () => {
  const line = `curl -H "X-Auth-Token: {SHA256}${randomBytes(32).toString('hex')}" http://10.0.0.5/`;
  await writeAt(`${rig.tree}/logs/a.log`, `${line}\n`);
  const { published, manifest } = await publish(['logs']);
  expect(published).toContain(line);
  expect(manifest.redacted).toEqual([]);
});

test('removes passwords with letters whose bytes are a space in Latin-1', async () => {
  const planted = FORMS.map((form) => ({ form, begin: `k${randomBytes(6).toString('hex')}` }));
  for (const [index, { form, begin }] of planted.entries())
    await writeAt(`${rig.tree}/etc/${index}.conf`, `${form.replaceAll('X', `${begin}à-9Šxà`)}\n`);
  await writeAt(`${rig.tree}/etc/short.conf`, 'password = abcà\n');
  const { published } = await publish(['etc']);
  const text = Buffer.from(published, 'latin1').toString('utf8');
  expect(planted.filter(({ begin }) => text.includes(begin)).map(({ form }) => form)).toEqual([]);
  expect(text).not.toContain('-9Šx');
  expect(text).not.toContain('password = abc');
});

async function publish(logs: readonly string[], more: Parameters<typeof collectRequest>[0] = {}) {
  const evidence = rig.start();
  await evidence.collect(collectRequest({ server: rig.server, logs, ...more }), signal);
  const url = await evidence.publish(publishRequest(), signal);
  return { published: await everyByte(rig.site), manifest: await rig.manifest(url) };
}
