/**
 * Counts the points of a TAP file, level by level. A level is closed by the result of the test that it belongs to,
 * and then its plan must hold: a file that was cut anywhere leaves a level open, or a plan that does not fit.
 */
import type { ResultsSummary } from '../../machines/vocabulary.ts';
import { type TapLimits, TapProblem } from './tap-limits.ts';
import type { TapPoint } from './tap-line.ts';

interface Level {
  /** Null: no plan yet. */
  planned: number | null;
  points: number;
  highest: number;
  passed: number;
  failed: number;
  skipped: number;
  /** Names of failed tests, the first few. */
  names: string[];
}

export class TapTree {
  readonly #limits: TapLimits;
  /** The open levels, outermost first. */
  readonly #levels: Level[] = [emptyLevel()];

  constructor(limits: TapLimits) {
    this.#limits = limits;
  }

  plan(depth: number, count: number): void {
    const level = this.#at(depth);
    if (level === null) return;
    if (level.planned !== null) throw new TapProblem('there is a second plan');
    level.planned = count;
  }

  point(point: TapPoint): void {
    const children = this.#levels[point.depth + 1];
    if (children !== undefined) {
      this.#close(point.depth + 1, point.name);
      this.#levels.pop();
    }
    const level = this.#at(point.depth);
    if (level === null) return;
    level.points += 1;
    level.highest = Math.max(level.highest, point.number ?? 0);
    if (children === undefined || children.points === 0) this.#count(level, point);
    else this.#merge(level, children, point);
  }

  end(): ResultsSummary {
    this.#close(0, 'the file');
    const { passed, failed, skipped, names } = this.#levels[0] ?? emptyLevel();
    return { passed, failed, skipped, failures: names };
  }

  /** The level at this depth, opened when it is the next one. Null: too deep for what surrounds it, so not TAP. */
  #at(depth: number): Level | null {
    if (depth < this.#levels.length - 1)
      throw new TapProblem('subtests are left without the result of their test');
    const level = this.#levels[depth];
    if (level !== undefined) return level;
    if (depth > this.#levels.length) return null;
    if (depth > this.#limits.depth)
      throw new TapProblem(`subtests are nested deeper than ${this.#limits.depth}`);
    const opened = emptyLevel();
    this.#levels.push(opened);
    return opened;
  }

  #close(depth: number, name: string): void {
    const level = this.#at(depth) ?? emptyLevel();
    const where = this.#cut(name);
    if (level.planned === null) throw new TapProblem(`cut short: no plan in ${where}`);
    if (level.points !== level.planned) {
      throw new TapProblem(`cut short: ${level.planned} tests planned, ${level.points} found in ${where}`);
    }
    if (level.highest > level.planned) throw new TapProblem(`a test is numbered past the plan in ${where}`);
  }

  #count(level: Level, point: TapPoint): void {
    if (point.excused) level.skipped += 1;
    else if (point.ok) level.passed += 1;
    else this.#fail(level, point.name);
  }

  #merge(level: Level, children: Level, parent: TapPoint): void {
    level.passed += children.passed;
    level.skipped += children.skipped;
    if (parent.excused) {
      level.skipped += children.failed;
      return;
    }
    level.failed += children.failed;
    for (const name of children.names) this.#keep(level, `${parent.name} > ${name}`);
    if (!parent.ok && children.failed === 0) this.#fail(level, parent.name);
  }

  #fail(level: Level, name: string): void {
    level.failed += 1;
    this.#keep(level, name === '' ? `test ${level.points}` : name);
  }

  #keep(level: Level, name: string): void {
    if (level.names.length < this.#limits.names) level.names.push(this.#cut(name));
  }

  #cut(name: string): string {
    const { nameLength } = this.#limits;
    return name.length <= nameLength ? name : `${[...name.slice(0, nameLength)].slice(0, -1).join('')}…`;
  }
}

function emptyLevel(): Level {
  return { planned: null, points: 0, highest: 0, passed: 0, failed: 0, skipped: 0, names: [] };
}
