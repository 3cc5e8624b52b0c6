/**
 * Users who upload, vote and close changes, in the same way on a real and an embedded Gerrit. Uses one clone for each
 * project, and a new commit for each patchset.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Patchset } from '../../src/machines/model/domain.ts';
import type { Upload } from './changes.ts';
import { done, last2 } from './gerrit-acts.ts';
import { type GerritFixture, newChangeId, type Ran } from './gerrit-fixture.ts';

export class Uploads {
  readonly #fixture: GerritFixture;
  readonly #clones = new Set<string>();
  readonly #ids = new Map<number, string>();
  #written = 0;

  constructor(fixture: GerritFixture) {
    this.#fixture = fixture;
  }

  /** Uploads a new change. */
  upload(wanted: Upload): Promise<Patchset> {
    return this.#push(wanted, newChangeId(), 1);
  }

  /** Uploads the next patchset of this change. */
  async amend(patchset: Patchset, wanted: Upload): Promise<Patchset> {
    const id = this.#ids.get(patchset.change);
    if (id === undefined) throw new Error(`change ${patchset.change} was not uploaded here`);
    return this.#push(wanted, id, patchset.patchset + 1);
  }

  async vote({ change }: Patchset, account: string, label: string, value: number): Promise<void> {
    await this.#fixture.person(account).review(change, { labels: { [label]: value } });
  }

  async turn({ change }: Patchset, into: 'wip' | 'private' | 'merged' | 'abandoned'): Promise<void> {
    const [owner, admin] = [this.#fixture.person('dev'), this.#fixture.person('admin')];
    if (into === 'wip') await owner.setWorkInProgress(change, true);
    else if (into === 'private') await owner.setPrivate(change, true);
    else if (into === 'merged') await admin.merge(change);
    else await owner.abandon(change);
  }

  /** The URL of its page, also for a missing change. */
  pageOf({ project, change }: Patchset): string {
    return `${this.#fixture.webUrl}/c/${project}/+/${change}`;
  }

  async #push(wanted: Upload, id: string, patchset: number): Promise<Patchset> {
    const { project } = wanted;
    const clone = await this.#clone(project);
    await this.#git(clone, 'fetch', '--quiet', 'origin');
    await this.#git(
      clone,
      'checkout',
      '--quiet',
      '--detach',
      '--force',
      wanted.on?.revision ?? 'origin/master',
    );
    for (const file of wanted.files ?? ['README.rst']) this.#write(clone, file);
    const subject = `Change ${++this.#written}`;
    const pages = (wanted.dependsOn ?? []).map((other) => this.pageOf(other));
    const footers = [...pages.map((page) => `Depends-On: ${page}`), `Change-Id: ${id}`];
    await this.#git(clone, 'add', '--all');
    await this.#git(clone, 'commit', '--quiet', '--message', `${subject}\n\n${footers.join('\n')}\n`);
    const pushed = await this.#git(clone, 'push', 'origin', 'HEAD:refs/for/master');
    const change = Number(/\/c\/\S+\/\+\/(\d+) Change/.exec(pushed.stderr)?.[1]);
    const revision = (await this.#git(clone, 'rev-parse', 'HEAD')).stdout.trim();
    this.#ids.set(change, id);
    const ref = `refs/changes/${last2(change)}/${change}/${patchset}`;
    const about = { subject, owner: 'dev', url: '', topic: '' };
    return { project, branch: 'master', change, patchset, revision, ref, ...about };
  }

  async #clone(project: string): Promise<string> {
    const name = project.replaceAll('/', '-');
    if (!this.#clones.has(name)) await this.#git('.', 'clone', '--quiet', this.#fixture.url(project), name);
    this.#clones.add(name);
    return name;
  }

  #write(clone: string, file: string): void {
    const at = path.join(this.#fixture.directory, clone, file);
    mkdirSync(path.dirname(at), { recursive: true });
    rmSync(at, { force: true });
    writeFileSync(at, `${newChangeId()}\n`);
  }

  #git(cwd: string, ...argv: string[]): Promise<Ran> {
    return done(this.#fixture.git(cwd, ...argv));
  }
}
