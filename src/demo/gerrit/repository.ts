/**
 * A bare git repository, driven by the real git with argument vectors. System and user configuration, hooks and prompts are
 * off, so that the demo behaves the same on every machine.
 */
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { FileRecord } from './state.ts';

const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;

/** git failed; `message` is its standard error. */
class GitError extends Error {
  override readonly name = 'GitError';
}

/** A commit as Gerrit needs it. */
export interface Commit {
  readonly revision: string;
  readonly tree: string;
  readonly parents: readonly string[];
  readonly author: { readonly name: string; readonly email: string };
  readonly message: string;
}

/** The environment of every git process: only PATH comes from the caller. */
export function gitEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    HOME: '/nonexistent',
    LANG: 'C.UTF-8',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    ...extra,
  };
}

export class Repository {
  readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /** Creates the repository with one branch and one commit that holds `files`. A path ending in `.sh` is executable. */
  async create(branch: string, files: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(this.directory, { recursive: true });
    await this.git(['init', '--quiet', '--bare', `--initial-branch=${branch}`, '.']);
    await this.git(['config', 'core.logAllRefUpdates', 'false']);
    await this.git(['config', 'gc.auto', '0']);
    const parts = [
      `commit refs/heads/${branch}\ncommitter Gerrit <gerrit@example.org> ${seconds()} +0000\n`,
      dataBlock(`Start of ${path.basename(this.directory, '.git')}\n`),
    ];
    for (const [name, text] of Object.entries(files)) {
      parts.push(`M ${name.endsWith('.sh') ? '100755' : '100644'} inline ${name}\n`, dataBlock(text));
    }
    await this.git(['fast-import', '--quiet'], parts.join(''));
  }

  async git(argv: readonly string[], input: string | Buffer = ''): Promise<string> {
    return runGit(argv, this.directory, input);
  }

  /** The refs below `prefix`, in git's order. */
  async refs(prefix: string): Promise<ReadonlyMap<string, string>> {
    const out = await this.git(['for-each-ref', '--format=%(objectname) %(refname)', prefix]);
    const refs = new Map<string, string>();
    for (const line of out.split('\n')) {
      if (line !== '') refs.set(line.slice(41), line.slice(0, 40));
    }
    return refs;
  }

  async updateRef(ref: string, revision: string): Promise<void> {
    await this.git(['update-ref', ref, revision]);
  }

  async commit(revision: string): Promise<Commit> {
    const text = await this.git(['cat-file', 'commit', revision]);
    const end = text.indexOf('\n\n');
    const head = text.slice(0, end).split('\n');
    const field = (name: string): string[] =>
      head.filter((l) => l.startsWith(`${name} `)).map((l) => l.slice(name.length + 1));
    const author = /^(.*?) ?<(.*)> \d+ [+-]\d{4}$/.exec(field('author')[0] ?? '');
    return {
      revision,
      tree: field('tree')[0] ?? '',
      parents: field('parent'),
      author: { name: author?.[1] ?? '', email: author?.[2] ?? '' },
      message: text.slice(end + 2),
    };
  }

  /** The files that a commit changes against its first parent; none for a merge commit. */
  async changedFiles(commit: Commit): Promise<readonly FileRecord[]> {
    if (commit.parents.length > 1) return [];
    const range = commit.parents[0] === undefined ? ['--root'] : [commit.parents[0]];
    const out = await this.git([
      'diff-tree',
      '-r',
      '-z',
      '-M',
      '--raw',
      '--numstat',
      ...range,
      commit.revision,
    ]);
    return readChangedFiles(out.split('\0'));
  }

  /** Equal for two commits that make the same edit, whatever their base. */
  async patchId(commit: Commit): Promise<string> {
    const diff = await this.git(['diff-tree', '-r', '-p', '--root', commit.revision]);
    return (await this.git(['patch-id', '--stable'], diff)).slice(0, 40);
  }
}

/** Parses one record for each file with its status, then one for each with its line counts. */
function readChangedFiles(fields: readonly string[]): FileRecord[] {
  const files = new Map<string, FileRecord>();
  for (let index = 0; index < fields.length; index += 1) {
    const field = fields[index] ?? '';
    const letter = /^:.* ([A-Z])\d*$/.exec(field)?.[1];
    if (letter !== undefined) {
      const fileOld = letter === 'R' ? fields[++index] : undefined;
      const file = fields[++index] ?? '';
      const type = ({ A: 'ADDED', D: 'DELETED', R: 'RENAMED' } as const)[letter] ?? 'MODIFIED';
      files.set(file, {
        file,
        ...(fileOld === undefined ? {} : { fileOld }),
        type,
        insertions: 0,
        deletions: 0,
      });
      continue;
    }
    const [, plus, minus, name] = /^([\d-]+)\t([\d-]+)\t(.*)$/s.exec(field) ?? [];
    if (name === undefined) continue;
    if (name === '') index += 2;
    const file = files.get(name === '' ? (fields[index] ?? '') : name);
    const count = (text: string | undefined): number => Number.parseInt(text ?? '', 10) || 0;
    // Gerrit counts deleted lines as negative.
    if (file !== undefined)
      files.set(file.file, { ...file, insertions: count(plus), deletions: 0 - count(minus) });
  }
  return [...files.values()].sort((a, b) => (a.file < b.file ? -1 : 1));
}

function dataBlock(text: string): string {
  return `data ${Buffer.byteLength(text)}\n${text}\n`;
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}

function runGit(argv: readonly string[], cwd: string, input: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('git', argv, { cwd, env: gitEnvironment(), stdio: ['pipe', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let size = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_OUTPUT_BYTES) child.kill('SIGKILL');
      else out.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (err.length < 64) err.push(chunk);
    });
    // A git that fails early closes its standard input; its exit status says why.
    child.stdin.on('error', () => undefined);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(out).toString('utf8'));
      else
        reject(new GitError(Buffer.concat(err).toString('utf8').trim() || `git ${argv[0]} exited ${code}`));
    });
    child.stdin.end(input);
  });
}
