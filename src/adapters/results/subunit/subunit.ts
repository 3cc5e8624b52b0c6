/**
 * Decides the outcome of each test of a subunit v2 stream. Memory is bounded for any content. A test whose
 * setUpClass or tearDownClass failed, and one that passed unexpectedly, has failed; an expected failure has passed. A
 * test that is reported several times counts once, with its worst outcome. A file that is damaged, or in which a test
 * has begun but not ended, is unreadable, with the reason; if a test failed, the failure is the result.
 */
import type { TestRecord } from '../../../engine/ports/adapters.ts';
import type { ResultsSummary } from '../../../machines/model/domain.ts';
import { plainText } from '../../../terminal-text.ts';
import { shortName } from '../test-name.ts';
import type { Packet } from './packet.ts';
import type { PacketSink } from './parser.ts';

export interface SubunitLimits {
  /** The maximum size of the file, unpacked. */
  readonly bytes: number;
  /** The maximum number of characters in the ids of all tests together; each id counts `ID_OVERHEAD` more. */
  readonly idCharacters: number;
  /** The maximum number of failed test names to keep, and the maximum length of each. */
  readonly names: number;
  readonly nameLength: number;
}

/** The size of a map entry besides the id, so that memory is bounded even if all ids are short. */
const ID_OVERHEAD = 64;

/** A full run of Tempest has 2,000 tests, 400,000 characters of ids, and 100 MB with its logs. */
export const SUBUNIT_LIMITS: SubunitLimits = {
  bytes: 512 * 1024 * 1024,
  idCharacters: 16 * 1024 * 1024,
  names: 20,
  nameLength: 200,
};

/** By increasing severity: of two outcomes of one test, the later one in this list counts. */
const OUTCOMES = ['passed', 'skipped', 'failed'] as const satisfies readonly TestRecord['outcome'][];
type Outcome = TestRecord['outcome'];

export const OUTCOME_OF: Readonly<Partial<Record<NonNullable<Packet['status']>, Outcome>>> = {
  success: 'passed',
  xfail: 'passed',
  skip: 'skipped',
  fail: 'failed',
  uxsuccess: 'failed',
};

/** Problems that test runners report as a failed test. */
const NOT_TESTS: ReadonlyMap<string, string> = new Map([
  ['process-returncode', 'a worker process of the test runner died'],
  ['subunit.parser', 'the test runner could not read the output of its workers'],
]);

/** Tempest appends the id of the idempotent test and its attributes to the name of the method. */
export const TEMPEST_SUFFIX = /\[id-[0-9a-f-]{36}[^\]]*\]$/;

/** The outcome of each test in a stream. */
export class Tests implements PacketSink {
  readonly #limits: SubunitLimits;
  readonly #outcomes = new Map<string, Outcome>();
  /** The tests that have begun and not ended, by id and worker. */
  readonly #open = new Map<string, string>();
  #characters = 0;
  /** The first reason why the results are incomplete. */
  #doubt: string | null = null;

  constructor(limits: SubunitLimits) {
    this.#limits = limits;
  }

  get outcomes(): ReadonlyMap<string, Outcome> {
    return this.#outcomes;
  }

  /** Why the results are incomplete; null: they are complete. */
  get problem(): string | null {
    const [unended] = this.#open.values();
    if (this.#doubt !== null || unended === undefined) return this.#doubt;
    return `${this.#open.size} of its tests began and did not end: ${this.#nameOf(unended)}`;
  }

  packet({ testId, status, routeCode }: Packet): void {
    if (testId === null || status === null || status === 'exists') return;
    const notTest = NOT_TESTS.get(testId);
    if (notTest !== undefined) {
      if (status === 'fail') this.#doubt ??= notTest;
      return;
    }
    // No text of a packet contains a NUL.
    const run = routeCode === null ? testId : `${routeCode}\0${testId}`;
    const outcome = OUTCOME_OF[status];
    if (outcome === undefined) {
      if (!this.#open.has(run) && this.#reserve(run)) this.#open.set(run, testId);
      return;
    }
    if (this.#open.delete(run)) this.#characters -= run.length + ID_OVERHEAD;
    const known = this.#outcomes.get(testId);
    if (known === undefined && !this.#reserve(testId)) return;
    if (known === undefined || OUTCOMES.indexOf(outcome) > OUTCOMES.indexOf(known))
      this.#outcomes.set(testId, outcome);
  }

  damage(why: string): void {
    this.#doubt ??= `the file cannot be read: ${why}`;
  }

  end(): ResultsSummary | { readonly unreadable: string } {
    const counts = { passed: 0, skipped: 0, failed: 0 };
    const failures: string[] = [];
    for (const [id, outcome] of this.#outcomes) {
      counts[outcome] += 1;
      if (outcome === 'failed' && failures.length < this.#limits.names) failures.push(this.#nameOf(id));
    }
    const { problem } = this;
    return problem === null || counts.failed > 0 ? { ...counts, failures } : { unreadable: problem };
  }

  #reserve(id: string): boolean {
    const characters = this.#characters + id.length + ID_OVERHEAD;
    if (characters > this.#limits.idCharacters) {
      this.#doubt ??= 'it names too many tests';
      return false;
    }
    this.#characters = characters;
    return true;
  }

  #nameOf(id: string): string {
    return shortName(plainText(id.replace(TEMPEST_SUFFIX, '')), this.#limits.nameLength);
  }
}
