/** The roles, run by ansible-playbook from another directory on a node that is a copy-on-write view of this host. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect } from 'vitest';
import { EVERYTHING } from '../fixtures/effort.ts';
import { freePort } from '../fixtures/free-port.ts';
import { needs } from '../fixtures/needs.ts';
import { Installed, TIMEOUT } from './installed.ts';

const HERE = new URL('.', import.meta.url).pathname;

const ansible = new Installed();
const { scratch } = ansible;

const { describe, it, exhaustively } = needs('ansible-playbook', 'git', 'unshare', 'visudo');

describe('the roles on a node', () => {
  const shared = join(scratch, 'node');
  const git = (cwd: string, ...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=t', '-c', 'user.email=t@example.org', '-C', cwd, ...args], {
      encoding: 'utf8',
    }).trim();

  function repository(path: string, files: Record<string, string>): string {
    mkdirSync(path, { recursive: true });
    git(path, 'init', '-q', '-b', 'master');
    for (const [name, content] of Object.entries(files))
      writeFileSync(join(path, name), content, { mode: 0o755 });
    return commit(path, 'files');
  }

  function commit(path: string, message: string): string {
    git(path, 'add', '.');
    git(path, 'commit', '--allow-empty', '-qm', message);
    return git(path, 'rev-parse', 'HEAD');
  }

  function stub(...names: readonly string[]): Record<string, string> {
    return Object.fromEntries(names.map((name) => [name, readFileSync(join(HERE, 'stubs', name), 'utf8')]));
  }

  beforeEach((context) => {
    if (process.getuid?.() !== 0)
      context.skip('only root can create the view of this host that serves as the node');
    rmSync(shared, { recursive: true, force: true });
    mkdirSync(shared);
    const probe = spawnSync(join(HERE, 'overlay.sh'), [shared, '--', 'true'], { timeout: 20_000 });
    if (probe.status !== 0) context.skip('this host does not let root mount an overlay');
  });

  const vars = (variables: Record<string, unknown>) => ({
    ansible_python_interpreter: '{{ ansible_playbook_python }}',
    devstack_packages: [],
    ...variables,
  });

  /**
   * Runs a shell script on the node. Its function `play` writes the exit code of each playbook to the file
   * `codes`.
   */
  function onNode(variables: Record<string, unknown>, script: string) {
    writeFileSync(join(shared, 'vars.json'), JSON.stringify(vars(variables)));
    const prelude = `export ANSIBLE_CALLBACKS_ENABLED=sos_ci.openstack.events SOS_CI_EVENTS=${shared}/events\nplay() { ansible-playbook -i node, -c local "sos_ci.openstack.$1" -e @${shared}/vars.json >> ${shared}/log 2>&1; echo "$1 $?" >> ${shared}/codes; }\ncd ${shared}\n`;
    writeFileSync(join(shared, 'script'), prelude + script);
    spawnSync(join(HERE, 'overlay.sh'), [scratch, '--', 'bash', join(shared, 'script')], ansible.options);
    const read = (file: string) =>
      existsSync(join(shared, file)) ? readFileSync(join(shared, file), 'utf8') : '';
    return { codes: read('codes'), log: read('log'), read };
  }

  /** What the roles reported, in order. */
  const reported = (events: string): readonly unknown[] =>
    events
      .split('\n')
      .flatMap((line) => (line.includes('"facts"') ? [JSON.parse(line).facts] : []))
      .filter((facts) => !('ansible' in facts));

  /** The facts for another job. */
  const factsOf = (facts: object, name: string) => ({
    ...facts,
    job: name,
    attempt: 1,
    server: 'n1',
    run_directory: `/var/tmp/runs/${name}-1`,
  });

  function job(worktree: string, trees = [{ project: 'openstack/cinder', path: worktree }]) {
    return {
      devstack_git_base: join(shared, 'git'),
      sos_ci: factsOf({ project: 'openstack/cinder', branch: 'master', worktree, trees }, 'j1'),
    };
  }

  exhaustively.it(
    'stacks the merged trees once for a run, and keeps nothing of an earlier one',
    async () => {
      const devstack = repository(
        join(shared, 'git', 'openstack', 'devstack'),
        stub('stack.sh', 'unstack.sh'),
      );
      const proxy = await freePort();
      repository(join(shared, 'git', 'openstack', 'cinder-tempest-plugin'), { 'setup.cfg': '' });
      const tree = join(shared, 'tree');
      const library = join(shared, 'library');
      const revision = repository(tree, { 'setup.py': 'patched' });
      repository(library, { 'setup.py': 'patched' });
      const both = [
        { project: 'openstack/cinder', path: tree },
        { project: 'openstack/os-brick', path: library },
      ];
      const first = {
        ...job(tree, both),
        tempest_plugins: ['cinder-tempest-plugin'],
        devstack_localrc: { CINDER_ENABLED_BACKENDS: 'acme:acme', HOST_IP: '192.0.2.7' },
        devstack_squid_proxy: `http://127.0.0.1:${proxy}`,
      };
      const { sos_ci } = job(tree);
      const next = { ...vars(first), sos_ci: factsOf(sos_ci, 'j2') };
      writeFileSync(join(shared, 'next.json'), JSON.stringify(next));
      const { codes, log, read } = onNode(
        first,
        `python3 -m http.server --bind 127.0.0.1 ${proxy} &
         until (: < /dev/tcp/127.0.0.1/${proxy}) 2> /dev/null; do sleep 0.1; done
         play stacking
         play stacking
         touch /opt/stack/cinder/left /opt/stack/data/venv/left
         cp /opt/stack/devstack/local.conf local.conf
         mv next.json vars.json
         play stacking
         ls /opt/stack/cinder /opt/stack/data > after
         cp /opt/stack/logs/runs runs
         stat -c %U /opt/stack/cinder/setup.py /opt/stack/devstack/local.conf > owners
         ls /opt/stack/cinder-tempest-plugin > plugin`,
      );
      expect(codes, log).toBe('stacking 0\nstacking 0\nstacking 0\n');
      const run = `stack /opt/stack\n${revision}\n`;
      expect(read('runs')).toBe(`${run}cloned nova\nfound os-brick\nunstacked\n${run}cloned nova\n`);
      expect(read('after')).toBe('/opt/stack/cinder:\nsetup.py\nused-by-stack\n\n/opt/stack/data:\nvenv\n');
      expect(read('owners')).toBe('stack\nstack\n');
      expect(read('plugin')).toBe('setup.cfg\n');
      const addresses = execFileSync('hostname', ['-I'], { encoding: 'utf8' }).match(/\S+/g) ?? [];
      for (const line of [
        `no_proxy="${['localhost', '127.0.0.1', ...addresses, '192.0.2.7'].join(',')}"`,
        'CINDER_ENABLED_BACKENDS="acme:acme"',
        'LIBS_FROM_GIT=cinder,os-brick',
        'ADMIN_PASSWORD="secretadmin"',
        'TEMPEST_PLUGINS="/opt/stack/cinder-tempest-plugin"',
      ])
        expect(read('local.conf')).toContain(`${line}\n`);
      expect(log).not.toContain('secretadmin');
      expect(reported(read('events'))).toEqual(Array(3).fill({ devstack, proxy: true, preseed: false }));
    },
    TIMEOUT,
  );

  exhaustively.it(
    'fails when stack.sh replaced the change under test',
    () => {
      repository(join(shared, 'git', 'openstack', 'devstack'), stub('stack.sh'));
      const tree = join(shared, 'tree');
      const tip = repository(tree, { 'is-replaced': '' });
      const change = commit(tree, 'patched');
      const { codes, log } = onNode(job(tree), 'play stacking');
      expect(codes, log).toBe('stacking 2\n');
      expect(log).toContain(`stack.sh checked out ${tip} in cinder, not ${change}, the revision under`);
    },
    TIMEOUT,
  );

  if (EVERYTHING)
    it(
      'fails without the clones that it is to use again, and names the task that could not clone',
      () => {
        repository(join(shared, 'git', 'openstack', 'devstack'), stub('stack.sh'));
        const tree = join(shared, 'tree');
        repository(tree, { 'setup.py': '' });
        const nowhere = { ...job(tree), devstack_git_base: 'http://127.0.0.1:1' };
        writeFileSync(join(shared, 'next.json'), JSON.stringify(vars(nowhere)));
        const { codes, log, read } = onNode(
          { ...job(tree), devstack_reuse_clones: true },
          'play stacking; ls -d /opt/stack/devstack > left; mv next.json vars.json; play stacking',
        );
        expect(codes, log).toBe('stacking 2\nstacking 2\n');
        expect(read('left')).toBe('');
        const failures = read('events')
          .split('\n')
          .filter((line) => line.includes('"failed"'))
          .map((line) => JSON.parse(line))
          .filter(({ rescued }) => !rescued);
        expect(failures).toMatchObject([
          {
            task: 'sos_ci.openstack.devstack : Require the clones that are to be used again',
            message: expect.stringContaining(
              'devstack_reuse_clones is true, but /opt/stack has no clone of openstack/devstack',
            ),
          },
          {
            task: 'sos_ci.openstack.devstack : Check whether the project has the branch',
            message: expect.stringMatching(/^fatal: unable to access 'http:/),
          },
        ]);
      },
      TIMEOUT,
    );

  exhaustively.it(
    'refuses project names that lead elsewhere, before it changes the node',
    () => {
      const tree = join(shared, 'tree');
      repository(tree, { 'setup.py': '' });
      const names = [['x/..'], ['-rf'], ['a\nb'], ['x/cinder', 'y/cinder'], ['openstack/data']];
      const lines = names.map((projects, number) => {
        const trees = projects.map((project) => ({ project, path: tree }));
        writeFileSync(join(shared, `${number}.json`), JSON.stringify(vars(job(tree, trees))));
        return `cp ${number}.json vars.json; play stacking`;
      });
      const { codes, log, read } = onNode({}, `${lines.join('\n')}\nls -d /opt/stack > left\n`);
      expect(codes, log).toBe('stacking 2\n'.repeat(names.length));
      expect(log.match(/These project names are not valid/g)?.length).toBeGreaterThanOrEqual(names.length);
      expect(read('left')).toBe('');
    },
    TIMEOUT,
  );

  if (EVERYTHING)
    needs('squid').it(
      'stacks through a real squid, which has the downloads of the second stack in its cache',
      async () => {
        const devstack = repository(
          join(shared, 'git', 'openstack', 'devstack'),
          stub('stack.sh', 'unstack.sh'),
        );
        const [proxy, origin] = [await freePort(), await freePort()];
        const tree = join(shared, 'tree');
        repository(tree, { downloads: `http://127.0.0.1:${origin}/package.deb` });
        repository(join(shared, 'origin'), { 'package.deb': 'x'.repeat(100_000) });
        const settings = [
          ...[`http_port 127.0.0.1:${proxy}`, 'http_access allow localhost', 'cache_mem 8 MB'],
          ...['access_log stdio:/var/tmp/squid/access.log', 'cache_log /var/tmp/squid/cache.log'],
          ...['pid_filename none', 'cache_effective_user proxy', 'refresh_pattern . 60 100% 60'],
          ...['cache_dir ufs /var/tmp/squid/cache 16 2 2', 'shutdown_lifetime 1 seconds'],
        ];
        writeFileSync(join(shared, 'squid.conf'), `${settings.join('\n')}\n`);
        const variables = { devstack_squid_proxy: `http://127.0.0.1:${proxy}` };
        const next = { ...job(tree), sos_ci: factsOf(job(tree).sos_ci, 'j2'), ...variables };
        writeFileSync(join(shared, 'next.json'), JSON.stringify(vars(next)));
        const { codes, log, read } = onNode(
          { ...job(tree), ...variables },
          // To squid, only what has not changed for long is fresh.
          `touch -d 2026-01-01 origin/package.deb
         mkdir -p /var/tmp/squid; chown proxy /var/tmp/squid
         squid -N -f squid.conf -z > squid.out 2>&1; squid -N -f squid.conf > squid.out 2>&1 &
         python3 -m http.server --bind 127.0.0.1 --directory origin ${origin} > origin.out 2>&1 &
         for port in ${proxy} ${origin}; do until (: < /dev/tcp/127.0.0.1/$port) 2> /dev/null; do sleep 0.1; done; done
         play stacking
         mv next.json vars.json
         play stacking
         cp /var/tmp/squid/access.log .`,
        );
        expect(codes, log).toBe('stacking 0\nstacking 0\n');
        expect(reported(read('events'))).toEqual(Array(2).fill({ devstack, proxy: true, preseed: false }));
        const answers = read('access.log')
          .split('\n')
          .filter((line) => line.includes('/package.deb '));
        expect(answers.map((line) => /TCP_(?:MEM_)?(?:HIT|MISS)/.exec(line)?.[0])).toEqual([
          'TCP_MISS',
          expect.stringMatching(/^TCP_(MEM_)?HIT$/),
        ]);
        expect(read('origin.out').match(/GET \/package.deb/g)).toHaveLength(1);
      },
      TIMEOUT,
    );

  if (EVERYTHING)
    it(
      'fails if stack.sh fails, and collects the logs',
      () => {
        const devstack = repository(join(shared, 'git', 'openstack', 'devstack'), stub('stack.sh'));
        const tree = join(shared, 'tree');
        repository(tree, { 'fails-to-stack': '' });
        repository(join(shared, 'preseed', 'seed'), { 'disk.img': '' });
        const variables = {
          devstack_preseed_dir: join(shared, 'preseed'),
          // Nothing answers there.
          devstack_squid_proxy: 'http://127.0.0.1:1',
          devstack_no_proxy: '*',
        };
        const { codes, log, read } = onNode({ ...job(tree), ...variables }, 'play stacking');
        expect(codes, log).toBe('stacking 2\n');
        expect(log).toContain('Run stack.sh: [ERROR] functions-common:709 git call failed (exit code 1');
        expect(read('tree/controller/logs/devstacklog.txt')).toBe('stacked\n');
        expect(read('tree/controller/logs/local_conf.txt')).toContain('LIBS_FROM_GIT=cinder');
        expect(reported(read('events'))).toEqual([{ devstack, proxy: false, preseed: true }]);
      },
      TIMEOUT,
    );

  exhaustively.it(
    'leaves a result only if the tests of this run ended',
    () => {
      const tree = join(shared, 'tree');
      mkdirSync(join(shared, 'venv', 'bin'), { recursive: true });
      for (const name of ['tempest', 'stestr'])
        cpSync(join(HERE, 'stubs', name), join(shared, 'venv', 'bin', name));
      const variables = {
        ...job(tree),
        tempest_venv: join(shared, 'venv'),
        tempest_test_regex: "volume.*(extend|'get')",
        tempest_exclude_regex: 'slow $HOME',
        tempest_concurrency: 3,
      };
      for (const [name, timeout] of Object.entries({ 'never-starts': 600, dies: 600, hangs: 1, fails: 600 }))
        writeFileSync(
          join(shared, `${name}.json`),
          JSON.stringify(vars({ ...variables, sos_ci: { ...factsOf(variables.sos_ci, name), timeout } })),
        );
      const { codes, log, read } = onNode(
        variables,
        `mkdir -p /opt/stack/tempest/.stestr ${tree}; useradd -d /opt/stack stack; chown -R stack /opt/stack; chmod -R go+rX ${scratch}
         old() { mkdir -p /opt/stack/tempest/.stestr; echo 1 > /opt/stack/tempest/.stestr/next-stream; echo old > /opt/stack/tempest/.stestr/0; echo old > tree/testrepository.subunit; }
         at() { old; echo "$1" > /opt/stack/tempest/behaviour; cp "$1.json" vars.json; play testing; cp tree/testrepository.subunit "result-$1"; }
         at never-starts
         at dies
         at hangs
         at fails
         cp /opt/stack/tempest/arguments arguments
         echo passes > /opt/stack/tempest/behaviour
         play testing
         cp tree/testrepository.subunit result-again`,
      );
      expect(codes, log).toBe('testing 2\n'.repeat(5));
      expect(read('result-never-starts')).toBe('');
      expect(read('result-dies')).toBe('');
      expect(read('result-hangs')).toBe('');
      expect(read('result-fails'), log).toBe('subunit v2 of: stream of this run\n');
      // A second playbook of the same run finds the tests that ended, and starts none.
      expect(read('result-again'), log).toBe('subunit v2 of: stream of this run\n');
      expect(read('arguments')).toBe(
        "run\n--regex=volume.*(extend|'get')\n--concurrency=3\n--exclude-regex=slow $HOME\n",
      );
      expect(log).toContain('Tempest ended with it exceeded its time limit');
      expect(log).toContain('Tempest ended with exit code 1');
      expect(reported(read('events'))).toEqual(Array(5).fill({ tempest: '41.0.0' }));
    },
    TIMEOUT,
  );

  exhaustively.it(
    'installs packages through the proxy on a node without lists of packages, and fetches nothing that it has',
    async (context) => {
      const [proxy, packed] = [await freePort(), join(shared, 'packed', 'DEBIAN')];
      const served = join(shared, 'served', 'http:', 'packages.invalid');
      for (const directory of [packed, served]) mkdirSync(directory, { recursive: true });
      const control =
        'Package: sos-ci-probe\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.org>\nDescription: t\n';
      writeFileSync(join(packed, 'control'), control);
      const build = `/usr/bin/python3 -c 'import apt' && dpkg-deb --build packed ${join(served, 'probe.deb')}`;
      if (spawnSync('sh', ['-c', build], { cwd: shared }).status !== 0) context.skip('needs python3-apt');
      const deb = readFileSync(join(served, 'probe.deb'));
      const sum = createHash('sha256').update(deb).digest('hex');
      const entry = `${control}Filename: ./probe.deb\nSize: ${deb.length}\nSHA256: ${sum}\n`;
      writeFileSync(join(served, 'Packages'), entry);
      const role = { name: 'sos_ci.openstack.devstack', tasks_from: 'user.yml' };
      const tasks = [{ 'ansible.builtin.include_role': role }];
      writeFileSync(join(shared, 'user.yml'), JSON.stringify([{ hosts: 'all', gather_facts: false, tasks }]));
      const { codes, log, read } = onNode(
        { devstack_packages: ['sos-ci-probe'], devstack_squid_proxy: `http://127.0.0.1:${proxy}` },
        `rm -rf /var/lib/apt/lists/* /etc/apt/apt.conf* /etc/apt/sources.list*
         echo 'deb [trusted=yes] http://packages.invalid/ ./' > /etc/apt/sources.list
         prepare() { ansible-playbook -i node, -c local user.yml -e @vars.json >> log 2>&1; echo "$?" >> codes; }
         python3 -m http.server --bind 127.0.0.1 --directory served ${proxy} > requests 2>&1 &
         until (: < /dev/tcp/127.0.0.1/${proxy}) 2> /dev/null; do sleep 0.1; done
         prepare
         kill $!; rm -rf /var/lib/apt/lists/*
         prepare`,
      );
      expect(codes, log).toBe('0\n0\n');
      expect(read('requests')).toContain('GET http://packages.invalid/./probe.deb');
    },
    TIMEOUT,
  );

  exhaustively.it(
    'cleanup removes the run directories of plain ansible-playbook only',
    () => {
      writeFileSync(join(shared, 'job.json'), JSON.stringify(vars(job(join(shared, 'tree')))));
      const { codes, log, read } = onNode(
        {},
        `mkdir -p /var/tmp/sos-ci-runs/0-stack
         mv vars.json plain.json; mv job.json vars.json; play cleanup; ls -d /var/tmp/sos-ci-runs > kept
         mv plain.json vars.json; play cleanup; ls -d /var/tmp/sos-ci-runs > left`,
      );
      expect(codes, log).toBe('cleanup 0\ncleanup 0\n');
      expect([read('kept'), read('left')]).toEqual(['/var/tmp/sos-ci-runs\n', '']);
    },
    TIMEOUT,
  );
});
