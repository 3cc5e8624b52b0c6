/** Variables as YAML, read by the real Ansible. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect } from 'vitest';
import { yamlText } from '../../../src/adapters/ansible/yaml-text.ts';
import { needs } from '../../fixtures/needs.ts';
import { findProgram } from '../../fixtures/programs.ts';

needs('ansible-playbook').test('strings from outside stay strings, and are not templates', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sos-ci-yaml-text-'));
  try {
    const pipe = `lookup('pipe', 'touch ${directory}/evil')`;
    const strings = [
      ...['03', '912', '1e3', '0x1f', '1:30', '.inf', '-1', '1_000', '2026-01-02', '2026-01-02 03:04:05'],
      ...[
        'yes',
        'NULL',
        '~',
        '',
        ' ',
        '<<',
        '=',
        'stable/2026.1',
        'a@b',
        "it's",
        '"',
        '\\',
        'a\nb',
        '\u2028',
      ],
      ...[
        `{{ ${pipe} }}`,
        `{% if ${pipe} %}{% endif %}`,
        `#jinja2: variable_start_string: '<='\n<= ${pipe} }}`,
      ],
    ];
    const variables = yamlText({ own: '{{ 1 + 1 }}' }, { theirs: strings });
    writeFileSync(join(directory, 'variables.yml'), variables);
    const content = '{{ [theirs, own | int] | to_json }}';
    const task = { 'ansible.builtin.copy': { dest: join(directory, 'seen'), content } };
    const vars = { ansible_python_interpreter: '{{ ansible_playbook_python }}' };
    const play = { hosts: 'localhost', connection: 'local', gather_facts: false, vars, tasks: [task] };
    writeFileSync(join(directory, 'play.yml'), JSON.stringify([play]));
    const files = [
      '-i',
      'localhost,',
      '-e',
      `@${join(directory, 'variables.yml')}`,
      join(directory, 'play.yml'),
    ];
    await execa(findProgram('ansible-playbook') ?? '', files, {
      cwd: directory,
      timeout: 60_000,
      env: { HOME: directory, ANSIBLE_HOME: directory, LC_ALL: 'C.UTF-8' },
    });
    expect(JSON.parse(readFileSync(join(directory, 'seen'), 'utf8'))).toEqual([strings, 2]);
    expect(existsSync(join(directory, 'evil'))).toBe(false);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
