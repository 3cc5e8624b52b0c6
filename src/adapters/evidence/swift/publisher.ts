/**
 * Publishes to a container of Swift. Swift cannot rename, so the order of requests stands in for it: a mark, which only
 * one job can create, then the files, then the job's page and the manifest, and last the object that answers the
 * address of the directory. Readers who follow links find the directory complete or not at all. After a crash, objects
 * whose checksums are right are not sent again.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FinishedDirectory, Publisher } from '../../../engine/ports/publisher.ts';
import { Semaphore } from '../../../semaphore.ts';
import type { CloudSession } from '../../openstack/session/session.ts';
import { parseObject } from '../collect/collected.ts';
import { composeHere } from '../publish/compose-here.ts';
import { forEach } from '../publish/for-each.ts';
import { INDEX, MANIFEST, type Manifest, parseManifest } from '../publish/manifest.ts';
import { createdByAnother, ignoreOperationErrors, noFreeName } from '../publish/publish.ts';
import { Container, type Content, type Entry, fileContent, textContent } from './container.ts';
import { objectType, PLAIN } from './object-type.ts';
import { updateContainerPages } from './pages.ts';

export interface SwiftPublisherOptions {
  readonly session: CloudSession;
  readonly container: string;
  /** Swift deletes the objects after this time; 0: never. */
  readonly deleteAfterMs: number;
}

const FILES_AT_ONCE = 8;
/** Names the job of a directory; not linked by any page. */
const MARK = '.sos-ci.json';
/**
 * Objects whose presence makes a directory visible, in the order in which they are written. '' is the directory's own
 * address.
 */
const LAST = [INDEX, MANIFEST, ''];

/** A directory of the container. */
interface Place {
  readonly container: Container;
  /** Its path, with a slash at the end. */
  readonly directory: string;
  readonly job: string;
  readonly signal: AbortSignal;
}

export class SwiftPublisher implements Publisher {
  readonly #options: SwiftPublisherOptions;
  /** One call at a time chooses a name: two requests to Swift can both create the same object. */
  readonly #claims = new Semaphore(1);
  /** One call at a time writes the pages of the directories above. */
  readonly #pages = new Semaphore(1);

  constructor(options: SwiftPublisherOptions) {
    this.#options = options;
  }

  async publish(finished: FinishedDirectory, signal: AbortSignal): Promise<readonly string[]> {
    const { session, container: name, deleteAfterMs } = this.#options;
    const { job, parent } = finished;
    const container = new Container(session, name, deleteAfterMs, signal);
    const composed = await composeHere(finished, signal);
    const isHere = typeof composed === 'string';
    const chosen = await this.#claims.run(() => chooseName(container, finished, isHere), signal);
    const place = { container, directory: directoryOf(parent, chosen), job, signal };
    if (isHere) await send(place, composed);
    else if (!(await isComplete(place))) throw composed;
    // The evidence is published, whether or not the pages can be written. The next publication corrects them.
    await this.#pages.run(() => updateContainerPages(container, parent)).catch(ignoreOperationErrors);
    return [...parent, chosen];
  }

  /** Swift removes what has expired. */
  async expire(): Promise<number> {
    return 0;
  }
}

function directoryOf(parent: readonly string[], name: string): string {
  return `${[...parent, name].join('/')}/`;
}

/**
 * The name of this job's directory: the one that it has, or a free one, which gets its mark if the job is to have it.
 */
async function chooseName(
  container: Container,
  { job, parent, names }: FinishedDirectory,
  mayClaim: boolean,
): Promise<string> {
  const owners: (string | null)[] = [];
  for (const name of names) owners.push(await ownerOf(container, directoryOf(parent, name)));
  const chosen = names[owners.indexOf(job)] ?? names[owners.indexOf(null)];
  if (chosen === undefined) throw noFreeName(parent, names);
  if (owners.includes(job) || !mayClaim) return chosen;
  const mark = `${directoryOf(parent, chosen)}${MARK}`;
  const created = await container.create(mark, textContent(JSON.stringify({ job })), PLAIN);
  // Another daemon may have created it at the same moment.
  if (created && (await ownerOf(container, directoryOf(parent, chosen))) === job) return chosen;
  throw createdByAnother(container.name, mark, 'none: the next attempt uses another name');
}

/** The job whose directory it is; null: it is free; '': it is another's. */
async function ownerOf(container: Container, directory: string): Promise<string | null> {
  const mark = await container.read(`${directory}${MARK}`);
  if (mark === null) return (await container.list(directory)).length === 0 ? null : '';
  const { job } = parseObject(mark) ?? {};
  return typeof job === 'string' ? job : '';
}

/** Makes the directory equal to `root` on this host. */
async function send({ container, directory, signal }: Place, root: string): Promise<void> {
  const manifest = await readManifest(root);
  const pages = new Set(manifest.pages.map(({ path }) => path));
  const there = await objectsBelow(container, directory);
  const contents = new Map<string, Content>();
  for (const path of [...manifest.files.map((file) => file.path), ...pages, ...LAST])
    contents.set(path, await fileContent(join(root, fileOf(path)), signal));
  const changed = [...contents].filter(([path, { md5 }]) => there.get(path)?.md5 !== md5);
  const extra = [...there.keys()].filter((path) => path !== MARK && !contents.has(path));
  if (changed.length === 0 && extra.length === 0) return;
  // While files are missing, readers do not find the directory.
  for (const path of LAST.toReversed()) if (there.has(path)) await container.remove(`${directory}${path}`);
  await forEach(extra, FILES_AT_ONCE, (path) => container.remove(`${directory}${path}`));
  const put = async ([path, content]: readonly [string, Content]) => {
    signal.throwIfAborted();
    await container.put(`${directory}${path}`, content, objectType(fileOf(path), pages));
  };
  await forEach(
    changed.filter(([path]) => !LAST.includes(path)),
    FILES_AT_ONCE,
    put,
  );
  const last = [...contents].filter(([path]) => LAST.includes(path));
  for (const object of last.sort(([one], [two]) => LAST.indexOf(one) - LAST.indexOf(two))) await put(object);
}

/** The file on this host for an object's path in the directory. */
function fileOf(path: string): string {
  return path === '' ? INDEX : path;
}

/** The objects of a directory, by their paths in it. */
async function objectsBelow(container: Container, directory: string): Promise<ReadonlyMap<string, Entry>> {
  const entries = await container.list(directory);
  return new Map(entries.map((entry) => [entry.path.slice(directory.length), entry]));
}

async function readManifest(root: string): Promise<Manifest> {
  const manifest = parseManifest(await readFile(join(root, MANIFEST), 'utf8'));
  if (manifest === null) throw new Error(`${root} has no manifest`);
  return manifest;
}

/** Without the evidence on this host: whether everything in the published manifest is there. */
async function isComplete({ container, directory, job }: Place): Promise<boolean> {
  const text = await container.read(`${directory}${MANIFEST}`);
  const manifest = text === null ? null : parseManifest(text);
  if (manifest?.job !== job || manifest.state !== 'published') return false;
  const there = await objectsBelow(container, directory);
  const files = [...manifest.files, ...manifest.pages];
  return there.has('') && files.every(({ path, bytes }) => there.get(path)?.bytes === bytes);
}
