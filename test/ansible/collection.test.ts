/** The collection in ansible/: its files, and its modules, run by ansible-playbook from another directory. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { it as always, expect } from 'vitest';
import { needs } from '../fixtures/needs.ts';
import { packedFiles } from '../fixtures/packed-files.ts';
import { Installed, TIMEOUT } from './installed.ts';

const ansible = new Installed();
const { scratch } = ansible;

const lint = needs('ansible-lint', 'ansible-playbook');
lint.describe('the collection', () => {
  lint.exhaustively.it(
    "passes ansible-lint's production profile",
    () => {
      const { status, output } = ansible.run(
        'ansible-lint',
        ['--offline', '--profile', 'production', '--nocolor'],
        ansible.collection,
      );
      expect(output).toMatch(/Passed: 0 failure\(s\), 0 warning\(s\)/);
      expect(status).toBe(0);
    },
    TIMEOUT,
  );
});

always('the collection is part of the npm package, without caches and built archives', () => {
  const files = packedFiles();
  const collectionFiles = files.filter((file) => file.startsWith('ansible/'));
  for (const file of [
    'galaxy.yml',
    'meta/runtime.yml',
    'README.md',
    'examples/vars.yml',
    'roles/boot/tasks/main.yml',
  ])
    expect(collectionFiles).toContain(`ansible/${file}`);
  expect(collectionFiles.filter((file) => /\.(pyc|tar\.gz)$|__pycache__/.test(file))).toEqual([]);
});

const localConf = needs('ansible-playbook', 'git');
localConf.describe('local.conf', () => {
  /** Uses the module to write a local.conf for each set of parameters. */
  function write(jobs: readonly Record<string, unknown>[]) {
    const path = (number: number) => join(scratch, `local.conf.${number}`);
    const tasks = jobs.map((parameters, number) => {
      rmSync(path(number), { force: true });
      const task = { path: path(number), mode: '0640', ...parameters };
      return { 'sos_ci.openstack.local_conf': task, ignore_errors: true };
    });
    writeFileSync(
      join(scratch, 'write.yml'),
      JSON.stringify([{ hosts: 'localhost', gather_facts: false, tasks }]),
    );
    const { output } = ansible.run('ansible-playbook', ['-vvv', 'write.yml']);
    const texts = jobs.map((_job, number) =>
      existsSync(path(number)) ? readFileSync(path(number), 'utf8') : null,
    );
    return { output, texts };
  }

  always(
    'orders variables and plugins by their dependencies, plugins last',
    async () => {
      const trees = join(scratch, 'trees');
      mkdirSync(join(trees, 'alpha', 'devstack'), { recursive: true });
      writeFileSync(
        join(trees, 'alpha', 'devstack', 'settings'),
        'define_plugin alpha\nplugin_requires alpha zeta\n',
      );
      const { output, texts } = write([
        {
          base_dir: trees,
          localrc: {
            A_FIRST: '$Z_LAST/bin',
            Z_LAST: '/opt',
            LIBVIRT_TYPE: 'qemu',
            USE_PYTHON3: true,
            UNQUOTED: 'two words',
            QUOTED: '"two words"',
            SERVICE_PASSWORD: 'canary',
          },
          local_conf: {
            'post-config': { $CINDER_CONF: { DEFAULT: { debug: true }, acme: { san_ip: '192.0.2.10' } } },
            'test-config': { $TEMPEST_CONFIG: { volume: { build_timeout: 900 } } },
          },
          services: { 'c-bak': true, horizon: false, tempest: 'ignored' },
          plugins: {
            alpha: 'https://opendev.org/openstack/alpha',
            zeta: 'https://opendev.org/openstack/zeta stable/2026.1',
            none: '',
          },
          libs_from_git: ['cinder', 'os-brick'],
          tempest_plugins: ['cinder-tempest-plugin'],
        },
        { services: { base: false, key: true } },
        { services: { key: true } },
        { base_services: ['key', 'mysql'] },
      ]);
      expect(output).not.toContain('canary');
      await expect(texts[0]?.replace(trees, '/opt/stack'), output).toMatchFileSnapshot(
        '../golden/local.conf',
      );
      expect(texts[1]).toContain('disable_all_services\nenable_service key\n');
      expect(texts[2]).not.toContain('disable_all_services');
      expect(texts[3]).toContain('ENABLED_SERVICES=key,mysql\n');
    },
    TIMEOUT,
  );

  localConf.exhaustively.it(
    'refuses values that would inject other settings',
    () => {
      const refused: readonly (readonly [object, string])[] = [
        [{ localrc: { 'A; rm -rf /': 'canary' } }, 'is not a valid name of a shell variable'],
        [{ localrc: { A: '1\n[[post-config|/etc/sudoers]]' } }, 'would begin another section'],
        [{ local_conf: { p: { f: { s: { k: 'a\nb' } } } } }, 'contains a line break'],
        [{ localrc: { A: '$B', B: '$A' } }, 'depend on each other: A -> B -> A'],
        [{ services: { 'key\nrm': true } }, "devstack_services: 'key"],
        [{ libs_from_git: ['cinder rm'] }, "libs_from_git: 'cinder rm' is not a valid name"],
        [{ tempest_plugins: ['../x'] }, "tempest_plugins: '../x' is not a valid name"],
      ];
      const { output, texts } = write(refused.map(([parameters]) => ({ ...parameters })));
      expect(texts).toEqual(refused.map(() => null));
      for (const [, message] of refused) expect(output).toContain(message);
      expect(output).not.toContain('canary');
    },
    TIMEOUT,
  );
});

needs('ansible-playbook').describe('collect_logs', () => {
  always('collects the listed files, but no keys or credentials', () => {
    const root = join(scratch, 'etc');
    const secrets = [
      'cinder/fernet-keys/0',
      'cinder/id_rsa',
      'cinder/clouds.yaml',
      'cinder/accrc/admin',
      'cinder/x.openrc',
      'cinder/tls.key',
    ];
    const ordinary = [
      'cinder/cinder.conf',
      'cinder/api-paste.ini',
      'cinder/.stackenv',
      'cinder/deep/volume.log',
    ];
    for (const file of [...secrets, ...ordinary, 'outside', 'cinder/renamed.txt']) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), secrets.includes(file) ? 'canary' : 'text');
    }
    writeFileSync(
      join(root, 'cinder', 'renamed.txt'),
      'A certificate.\n-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n',
    );
    symlinkSync(join(root, 'cinder', 'fernet-keys', '0'), join(root, 'cinder', 'link.conf'));
    symlinkSync(join(root, 'outside'), join(root, 'cinder', 'outside.conf'));
    symlinkSync('/dev/zero', join(root, 'cinder', 'endless.conf'));
    const deep = join(root, 'cinder', ...Array<string>(40).fill('d'));
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(deep, 'too-deep'), 'text');
    writeFileSync(Buffer.concat([Buffer.from(`${root}/cinder/`), Buffer.from([0xff, 0x0a])]), 'text');
    execFileSync('mkfifo', [join(root, 'cinder', 'pipe.conf')]);
    const dest = join(scratch, 'collected');
    mkdirSync(dest);
    writeFileSync(join(dest, 'old'), 'of an earlier run');
    const task = {
      'sos_ci.openstack.collect_logs': {
        dest,
        files: [{ root: join(root, 'cinder'), take: ['**'], to: 'logs/etc/cinder' }],
        commands: [
          { argv: ['echo', 'hello'], to: 'logs/hello.txt' },
          { argv: ['no-such-program'], to: 'logs/x.txt' },
        ],
        journals_to: 'logs',
      },
    };
    writeFileSync(
      join(scratch, 'collect.yml'),
      JSON.stringify([{ hosts: 'localhost', gather_facts: false, tasks: [task] }]),
    );
    expect(ansible.run('ansible-playbook', ['collect.yml'])).toMatchObject({ status: 0 });
    const found = execFileSync('find', ['.', '-type', 'f', '-print0'], { cwd: dest, encoding: 'latin1' })
      .split('\0')
      .filter((name) => name !== '')
      .sort();
    expect(found).toEqual([
      './logs/etc/cinder/__stackenv.txt',
      './logs/etc/cinder/api-paste.ini',
      './logs/etc/cinder/cinder_conf.txt',
      './logs/etc/cinder/deep/volume_log.txt',
      './logs/etc/cinder/\xff\n',
      './logs/hello.txt',
      './logs/not_collected.txt',
    ]);
    expect(spawnSync('grep', ['-r', 'canary', dest]).status).toBe(1);
    const skipped = readFileSync(join(dest, 'logs', 'not_collected.txt'), 'utf8');
    for (const file of [
      ...secrets,
      'cinder/renamed.txt',
      'cinder/link.conf',
      'cinder/outside.conf',
      'cinder/endless.conf',
      'cinder/pipe.conf',
      `cinder/${Array(33).fill('d').join('/')}`,
    ])
      expect(skipped).toContain(`${join(root, file)}: `);
  });
});
