/**
 * People at a Gerrit who upload, vote and close, by git and SSH alone, so that a real Gerrit and the embedded one can
 * be worked in the same way. One clone for each project, and a fresh commit on the branch's tip for each change.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Patchset } from '../../../src/machines/vocabulary.ts';
import type { Upload } from '../../contracts/changes.ts';
import { newChangeId, type Ran } from '../../demo/gerrit/stand.ts';

/** Git and SSH as these people, with their keys. */
export interface GerritPlace {
  readonly directory: string;
  url(project: string, user?: string): string;
  ssh(user: string, command: string, stdin?: string): Promise<Ran>;
  git(cwd: string, ...argv: string[]): Promise<Ran>;
}

export class Uploads {
  readonly #place: GerritPlace;
  readonly #clones = new Set<string>();
  readonly #ids = new Map<number, string>();
  #written = 0;

  constructor(place: GerritPlace) {
    this.#place = place;
  }

  /** A new change. `on`: stacked on this patchset, not on the branch's tip. `options`: of the push, such as `wip`. */
  async upload(wanted: Upload, on: string | null = null, options = ''): Promise<Patchset> {
    return this.#push(wanted, newChangeId(), 1, on, options);
  }

  /** The next patchset of this change. */
  async amend(patchset: Patchset, wanted: Upload, options = ''): Promise<Patchset> {
    const id = this.#ids.get(patchset.change);
    if (id === undefined) throw new Error(`change ${patchset.change} was not uploaded here`);
    return this.#push(wanted, id, patchset.patchset + 1, null, options);
  }

  async vote(patchset: Patchset, account: string, label: string, value: number): Promise<void> {
    await this.#review(patchset, account, `--label ${label}=${value}`);
  }

  async turn(patchset: Patchset, into: 'wip' | 'private' | 'merged' | 'abandoned'): Promise<void> {
    if (into === 'abandoned') await this.#review(patchset, 'admin', '--abandon');
    else if (into === 'merged') await this.#review(patchset, 'admin', '--code-review +2 --submit');
    else await this.amend(patchset, { project: patchset.project }, into);
  }

  /** Its page. */
  async pageOf({ change }: Patchset): Promise<string> {
    const asked = await this.#place.ssh('dev', `gerrit query --format=JSON change:${change}`);
    const row: { readonly url?: string } = JSON.parse(asked.stdout.split('\n')[0] ?? '{}');
    if (row.url === undefined) throw new Error(`no change ${change}`);
    return row.url;
  }

  idOf({ change }: Patchset): string {
    return this.#ids.get(change) ?? '';
  }

  async #push(
    wanted: Upload,
    id: string,
    patchset: number,
    on: string | null,
    options: string,
  ): Promise<Patchset> {
    const { project } = wanted;
    const clone = await this.#clone(project);
    await this.#git(clone, 'fetch', '--quiet', 'origin');
    await this.#git(clone, 'checkout', '--quiet', '--detach', '--force', on ?? 'origin/master');
    for (const file of wanted.files ?? ['README.rst']) this.#write(clone, file);
    const subject = `Change ${++this.#written}`;
    const pages = await Promise.all((wanted.dependsOn ?? []).map((other) => this.#named(other)));
    const footers = [...pages.map((page) => `Depends-On: ${page}`), `Change-Id: ${id}`];
    await this.#git(clone, 'add', '--all');
    await this.#git(clone, 'commit', '--quiet', '--message', `${subject}\n\n${footers.join('\n')}\n`);
    const target = `HEAD:refs/for/master${options === '' ? '' : `%${options}`}`;
    const said = await this.#git(clone, 'push', 'origin', target);
    const change = Number(/\/c\/\S+\/\+\/(\d+) Change/.exec(said.stderr)?.[1]);
    const revision = (await this.#git(clone, 'rev-parse', 'HEAD')).stdout.trim();
    this.#ids.set(change, id);
    const ref = `refs/changes/${String(change % 100).padStart(2, '0')}/${change}/${patchset}`;
    const about = { subject, owner: 'dev', url: '', topic: '' };
    return { project, branch: 'master', change, patchset, revision, ref, ...about };
  }

  /** A change that was never uploaded has a page too, as far as its address goes. */
  async #named(other: Patchset): Promise<string> {
    const some = [...this.#ids.keys()][0];
    if (this.#ids.has(other.change) || some === undefined) return this.pageOf(other);
    return (await this.pageOf({ ...other, change: some })).replace(/\d+$/, String(other.change));
  }

  async #review({ change, patchset, project }: Patchset, by: string, what: string): Promise<void> {
    const ran = await this.#place.ssh(by, `gerrit review --project ${project} ${what} ${change},${patchset}`);
    if (ran.status !== 0) throw new Error(`${what}: ${ran.stderr}`);
  }

  async #clone(project: string): Promise<string> {
    const name = project.replaceAll('/', '-');
    if (!this.#clones.has(name)) await this.#git('.', 'clone', '--quiet', this.#place.url(project), name);
    this.#clones.add(name);
    return name;
  }

  #write(clone: string, file: string): void {
    const at = path.join(this.#place.directory, clone, file);
    mkdirSync(path.dirname(at), { recursive: true });
    rmSync(at, { force: true });
    writeFileSync(at, `${newChangeId()}\n`);
  }

  async #git(cwd: string, ...argv: string[]): Promise<Ran> {
    const ran = await this.#place.git(cwd, ...argv);
    if (ran.status !== 0) throw new Error(`git ${argv.join(' ')}: ${ran.stderr}`);
    return ran;
  }
}
