/** A database that was copied, moved or restored needs the operator's confirmation; an untouched one does not. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { backupStore } from '../../../src/adapters/sqlite/backup.ts';
import {
  confirmIdentity,
  type DatabaseIdentity,
  verifyIdentity,
} from '../../../src/adapters/sqlite/database-identity.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { addJobs, type Scratch, scratch } from './rig.ts';

let directory: Scratch;
let state: string;
let file: string;

beforeEach(() => {
  directory = scratch();
  state = join(directory.path, 'state');
  mkdirSync(state);
  file = join(state, 'sos-ci.db');
});
afterEach(() => directory.remove());

/** One run of a daemon: opens, checks, works, stores its progress. */
async function runDaemon(path: string, jobs = 1, noted = true): Promise<void> {
  const store = openStore(path);
  try {
    const identity = verifyIdentity(path);
    await addJobs(store, jobs);
    if (noted) identity.note(store.length());
  } finally {
    store.close();
  }
}

const elsewhere = () => join(directory.path, 'elsewhere');
const archive = () => join(directory.path, 'state.tar');

/** Ways to restore a copy. Existing files keep their inodes or get reused ones. */
const RESTORES: readonly (readonly [string, () => void, () => void])[] = [
  [
    'cp',
    () => execFileSync('cp', ['-a', state, elsewhere()]),
    () => execFileSync('cp', ['-a', `${elsewhere()}/.`, state]),
  ],
  ['tar --overwrite', pack, () => execFileSync('tar', ['-C', state, '--overwrite', '-xf', archive()])],
  ['tar', pack, () => execFileSync('tar', ['-C', state, '-xf', archive()])],
];

function pack(): void {
  execFileSync('tar', ['-C', state, '-cf', archive(), '.']);
}

const REFUSED = expect.objectContaining({
  name: 'OperationError',
  message: expect.stringContaining('restored or copied'),
  hint: expect.stringContaining('sos-ci confirm'),
});

test('an untouched database needs no confirmation, even after a kill that stored nothing', async () => {
  await runDaemon(file);
  await runDaemon(file, 3, false);
  await runDaemon(file, 0, false);
  await runDaemon(file);
});

test('a start that died while it claimed the database raises no false alarm', async () => {
  await runDaemon(file);
  const sidecar = JSON.parse(readFileSync(`${file}.identity`, 'utf8'));
  // The sidecar holds both tokens until the database has the new one. This start died before that.
  const tokens = [...sidecar.tokens, 'the next token'];
  writeFileSync(`${file}.identity`, JSON.stringify({ ...sidecar, tokens }));
  await runDaemon(file);
});

test("changes to the files' metadata raise no false alarm", async () => {
  await runDaemon(file);
  for (const path of [file, `${file}.identity`]) {
    // A backup program that restores access times, one that makes hard links, an operator who corrects permissions.
    utimesSync(path, new Date(0), new Date(0));
    linkSync(path, `${path}.link`);
    chmodSync(path, 0o640);
    rmSync(`${path}.link`);
  }
  execFileSync('cp', ['-a', state, elsewhere()]);
  execFileSync('tar', ['-C', state, '-cf', archive(), '.']);
  await runDaemon(file);
});

test('a host that starts to report creation times raises no false alarm', async () => {
  await runDaemon(file);
  const sidecar = JSON.parse(readFileSync(`${file}.identity`, 'utf8'));
  writeFileSync(`${file}.identity`, JSON.stringify({ ...sidecar, self: { ...sidecar.self, born: null } }));
  await runDaemon(file);
});

test('a write that was cut off raises no false alarm', async () => {
  await runDaemon(file);
  writeFileSync(`${file}.identity.new`, '{"location":');
  await runDaemon(file);
  await runDaemon(file);
});

describe('refused until confirmed', () => {
  const MOVES: readonly (readonly [string, () => Promise<string>])[] = [
    [
      'the file alone, copied elsewhere',
      async () => {
        mkdirSync(elsewhere());
        cpSync(file, join(elsewhere(), 'sos-ci.db'));
        return join(elsewhere(), 'sos-ci.db');
      },
    ],
    [
      'the whole directory, copied elsewhere',
      async () => {
        cpSync(state, elsewhere(), { recursive: true });
        return join(elsewhere(), 'sos-ci.db');
      },
    ],
    [
      'the whole directory, moved',
      async () => {
        renameSync(state, elsewhere());
        return join(elsewhere(), 'sos-ci.db');
      },
    ],
    [
      'an older copy of the file, put back in place after more was done',
      async () => {
        cpSync(file, join(directory.path, 'older.db'));
        await runDaemon(file);
        // Into the same file, as `cp` writes it: the inode stays.
        writeFileSync(file, readFileSync(join(directory.path, 'older.db')));
        return file;
      },
    ],
    [
      'a copy of the same start, put back in place after more was done',
      async () => {
        const store = openStore(file);
        await backedByCopy(store, verifyIdentity(file));
        store.close();
        // Into the same file, as `cp` writes it: the inode stays.
        writeFileSync(file, readFileSync(join(directory.path, 'older.db')));
        return file;
      },
    ],
    [
      'an older copy of the whole directory, put back in place',
      async () => {
        cpSync(state, elsewhere(), { recursive: true });
        await runDaemon(file);
        rmSync(state, { recursive: true });
        renameSync(elsewhere(), state);
        return file;
      },
    ],
    ...RESTORES.map(([how, keep, put]): (typeof MOVES)[number] => [
      `an older copy of the whole directory, put back over it with ${how}`,
      async () => {
        keep();
        await runDaemon(file, 3);
        put();
        return file;
      },
    ]),
    [
      'a backup, put in place',
      async () => {
        const backup = join(directory.path, 'backup.db');
        await backupStore(file, backup, () => {});
        rmSync(file);
        renameSync(backup, file);
        return file;
      },
    ],
    [
      'without its sidecar',
      async () => {
        rmSync(`${file}.identity`);
        return file;
      },
    ],
    [
      'with an empty sidecar',
      async () => {
        writeFileSync(`${file}.identity`, '{}');
        return file;
      },
    ],
    [
      'with a damaged sidecar',
      async () => {
        writeFileSync(`${file}.identity`, '{');
        return file;
      },
    ],
  ];

  async function backedByCopy(
    store: ReturnType<typeof openStore>,
    identity: DatabaseIdentity,
  ): Promise<void> {
    const { database } = store as unknown as { readonly database: { pragma(text: string): unknown } };
    database.pragma('wal_checkpoint(TRUNCATE)');
    cpSync(file, join(directory.path, 'older.db'));
    await addJobs(store, 2);
    identity.note(store.length());
  }

  test.each(MOVES)('%s', async (_, move) => {
    await runDaemon(file, 2);
    const path = await move();
    await expect(runDaemon(path)).rejects.toEqual(REFUSED);
    // A refusal changes nothing: the next start is refused too.
    await expect(runDaemon(path)).rejects.toEqual(REFUSED);
    confirmIdentity(path);
    await runDaemon(path);
    await runDaemon(path);
  });

  test('the original continues to work next to its copy', async () => {
    await runDaemon(file);
    cpSync(state, elsewhere(), { recursive: true });
    await expect(runDaemon(join(elsewhere(), 'sos-ci.db'))).rejects.toEqual(REFUSED);
    confirmIdentity(join(elsewhere(), 'sos-ci.db'));
    await runDaemon(file);
  });
});
