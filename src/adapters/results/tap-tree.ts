/**
 * Counts the test points of a TAP file, level by level. A level is closed by the result of its test, or by its closing
 * brace, and is then checked against its plan. A level with more tests than planned, or different ones, has failed, as
 * in other TAP readers. A level with fewer tests, or without a plan, may be truncated, so it is in doubt rather than
 * failed.
 */
import type { ResultsSummary } from '../../machines/model/domain.ts';
import { type TapLimits, TapProblem } from './tap-limits.ts';
import type { TapPoint } from './tap-line.ts';
import { NumbersSeen } from './tap-numbers.ts';
import { shortName } from './test-name.ts';

interface Level {
  /** The parent test when it precedes its subtests and ends with a brace; null when it follows them. */
  readonly parent: TapPoint | null;
  /** Null: no plan yet. */
  planned: number | null;
  /** The plan came after tests, so no test may follow. */
  planLast: boolean;
  points: number;
  /** The test with the highest number. */
  highest: { readonly number: number; readonly name: string };
  readonly numbers: NumbersSeen;
  passed: number;
  failed: number;
  skipped: number;
  /** The names of the first failed tests. */
  names: string[];
  /** The first error that other readers count as a failure although no test reports it. */
  fault: string | null;
  /** The first reason why the level's result is unreliable unless a test in it failed. */
  doubt: string | null;
}

export class TapTree {
  readonly #limits: TapLimits;
  /** How many more out-of-order numbers may be kept, at all levels together. */
  readonly #budget: { left: number };
  /** The open levels, outermost first. */
  readonly #levels: Level[];

  constructor(limits: TapLimits) {
    this.#limits = limits;
    this.#budget = { left: limits.unordered };
    this.#levels = [this.#emptyLevel(null)];
  }

  plan(depth: number, count: number): void {
    const level = this.#at(depth);
    if (level === null) return;
    if (level.planned !== null) level.fault ??= 'there is a second plan';
    else {
      level.planned = count;
      level.planLast = level.points > 0;
    }
  }

  point(point: TapPoint): void {
    this.#abandon(point.depth + 1);
    const children = this.#levels[point.depth + 1];
    if (children !== undefined && children.parent === null) this.#levels.pop();
    else if (children !== undefined) this.#abandon(point.depth);
    const level = this.#at(point.depth);
    if (level === null) return;
    this.#number(level, point);
    this.#result(level, point, children?.parent === null ? children : undefined);
  }

  /** Opens a test that precedes its subtests. */
  open(point: TapPoint): void {
    const level = this.#at(point.depth);
    if (level === null) return;
    this.#number(level, point);
    this.#push(point);
  }

  close(depth: number): void {
    const children = this.#levels[depth + 1];
    if (children === undefined || children.parent === null) return;
    this.#abandon(depth + 1);
    this.#levels.pop();
    const level = this.#levels[depth];
    if (level !== undefined) this.#result(level, children.parent, children);
  }

  /** Records an error that other readers count as a failure although no test reports it. */
  fault(what: string): void {
    const level = this.#levels.at(-1);
    if (level !== undefined) level.fault ??= what;
  }

  /** The failures so far at the outermost level; later lines cannot revoke them. */
  get failures(): ResultsSummary | null {
    const { passed, failed, skipped, names } = this.#levels[0] ?? this.#emptyLevel(null);
    return failed === 0 ? null : { passed, failed, skipped, failures: [...names] };
  }

  /** @throws TapProblem when the file may be truncated; then `failures` applies */
  end(): ResultsSummary {
    const root = this.#levels[0] ?? this.#emptyLevel(null);
    // The result of the missing test could have excused them.
    if (this.#levels.length > 1) root.doubt ??= 'subtests are left without the result of their test';
    this.#check(root, 'the file');
    if (root.doubt !== null) throw new TapProblem(root.doubt);
    const { passed, failed, skipped, names } = root;
    return { passed, failed, skipped, failures: names };
  }

  /**
   * The level at this depth, opened if it is the next one. Null: deeper than the open levels permit, so the line is not
   * TAP.
   */
  #at(depth: number): Level | null {
    this.#abandon(depth);
    const level = this.#levels[depth];
    if (level !== undefined) return level;
    return depth > this.#levels.length ? null : this.#push(null);
  }

  #push(parent: TapPoint | null): Level {
    if (this.#levels.length > this.#limits.depth)
      throw new TapProblem(`subtests are nested deeper than ${this.#limits.depth}`);
    const level = this.#emptyLevel(parent);
    this.#levels.push(level);
    return level;
  }

  /** Closes the levels below this one, because their test can no longer follow. */
  #abandon(depth: number): void {
    while (this.#levels.length - 1 > depth) {
      const children = this.#levels.pop();
      const level = this.#levels.at(-1);
      if (children === undefined || level === undefined) return;
      this.#result(level, children.parent, children);
      level.doubt ??=
        children.parent === null
          ? 'subtests are left without the result of their test'
          : `the brace that ends ${this.#named(level, children.parent)} is missing`;
    }
  }

  #number(level: Level, point: TapPoint): void {
    level.points += 1;
    const number = point.number ?? level.points;
    const name = this.#named(level, point);
    if (number > level.highest.number) level.highest = { number, name };
    if (level.planLast) level.fault ??= `${name} (after the plan)`;
    if (number === 0) level.fault ??= `${name} (number 0)`;
    // Not a failure: Node 20's reporter assigns its own number to a file without tests, also in a successful run.
    else if (!level.numbers.add(number))
      level.doubt ??= `number ${number} is given twice, the second time to ${name}`;
  }

  /** @param point null: the test of the subtests is missing */
  #result(level: Level, point: TapPoint | null, children: Level | undefined): void {
    const name = point === null ? '' : this.#named(level, point);
    if (children !== undefined) this.#check(children, name);
    if (children !== undefined && children.points + children.failed > 0)
      this.#merge(level, children, point, name);
    else if (point !== null) this.#count(level, point, name);
    if (children?.failed === 0 && !point?.excused) level.doubt ??= children.doubt;
  }

  /** Checks the level against its plan. */
  #check(level: Level, where: string): void {
    const { planned, points, highest } = level;
    level.numbers.reset();
    // Empty braces need no plan.
    const needsPlan = level.parent === null || points > 0;
    if (planned === null) level.doubt ??= needsPlan ? `cut short: no plan in ${where}` : null;
    else if (points < planned)
      level.doubt ??= `cut short: ${planned} tests planned, ${points} found in ${where}`;
    else if (highest.number > planned)
      level.fault ??= `${highest.name} (number ${highest.number}, planned 1..${planned})`;
    else if (points > planned) level.fault ??= `${planned} tests were planned, ${points} run`;
    // A level with a failed test has already failed.
    if (level.failed === 0 && level.fault !== null) this.#fail(level, level.fault);
  }

  #count(level: Level, point: TapPoint, name: string): void {
    if (point.excused) level.skipped += 1;
    else if (point.ok) level.passed += 1;
    else this.#fail(level, name);
  }

  #merge(level: Level, children: Level, parent: TapPoint | null, parentName: string): void {
    level.passed += children.passed;
    level.skipped += children.skipped;
    if (parent?.excused) {
      level.skipped += children.failed;
      return;
    }
    level.failed += children.failed;
    for (const name of children.names) this.#keep(level, parent === null ? name : `${parentName} > ${name}`);
    if (parent !== null && !parent.ok && children.failed === 0) this.#fail(level, parentName);
  }

  #fail(level: Level, name: string): void {
    level.failed += 1;
    this.#keep(level, name);
  }

  #keep(level: Level, name: string): void {
    if (level.names.length < this.#limits.names) level.names.push(this.#cut(name));
  }

  #named(level: Level, { name, number }: TapPoint): string {
    return this.#cut(name === '' ? `test ${number ?? level.points}` : name);
  }

  #cut(name: string): string {
    return shortName(name, this.#limits.nameLength);
  }

  #emptyLevel(parent: TapPoint | null): Level {
    const numbers = new NumbersSeen(this.#budget);
    const counts = { points: 0, passed: 0, failed: 0, skipped: 0, names: [] };
    const highest = { number: 0, name: '' };
    return { parent, planned: null, planLast: false, highest, numbers, ...counts, fault: null, doubt: null };
  }
}
