/**
 * Rules for one file: its length and the length of its functions, its name, its first paragraph, and the constructs
 * that the house does without. Each rule gives its breaches as lines for people.
 */
import { posix } from 'node:path';
import ts from 'typescript';
import { lineOf, type Source, visit } from './source.ts';

export const LONGEST_FILE = 400;
export const LONGEST_FUNCTION = 60;
const SHORTEST_PARAGRAPH = 40;

/** Functions are measured in the program itself: the body of a `describe` is a list, not a thought. */
export function lengthBreaches(file: Source, functionsToo: boolean): string[] {
  const lines = file.text.trimEnd().split('\n').length;
  const tooLong = lines > LONGEST_FILE ? [`${file.path} has ${lines} lines, more than ${LONGEST_FILE}`] : [];
  visit(file.tree, (node) => {
    if (!functionsToo || !ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return;
    const from = lineOf(file, node);
    const length = file.tree.getLineAndCharacterOfPosition(node.getEnd()).line + 2 - from;
    if (length > LONGEST_FUNCTION)
      tooLong.push(`${file.path}:${from} a function of ${length} lines, more than ${LONGEST_FUNCTION}`);
  });
  return tooLong;
}

/** A name that says nothing collects everything. */
export function nameBreaches(path: string): string[] {
  if (!/\.(ts|mjs|sh)$/.test(path)) return [];
  const vague = /(^|\/)(utils?|helpers?|common|types?|index|misc|shared|lib)(\/|\.[a-z]+$)/;
  const words = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.[a-z]+$/;
  return [
    ...(vague.test(path) ? [`${path} is named after no one thing`] : []),
    ...(words.test(posix.basename(path)) ? [] : [`${path} is not in lower case with hyphens`]),
  ];
}

/** Every file begins with its purpose. */
export function paragraphBreaches(file: Source): string[] {
  const text = file.text.replace(/^#!.*\n/, '');
  const comment = /^\/\*\*[\s\S]*?\*\//.exec(text)?.[0] ?? '';
  return comment.length < SHORTEST_PARAGRAPH
    ? [`${file.path} does not open with a paragraph about itself`]
    : [];
}

/** Ways around the compiler, re-exports, and forms that the build does not carry over. */
export function constructBreaches(file: Source): string[] {
  const found = [...file.text.matchAll(/@ts-(ignore|expect-error|nocheck)/g)].map(
    (match) => `${file.path}: ${match[0]}`,
  );
  visit(file.tree, (node) => {
    const what = forbiddenConstruct(node);
    if (what !== null) found.push(`${file.path}:${lineOf(file, node)} ${what}`);
  });
  return found;
}

function forbiddenConstruct(node: ts.Node): string | null {
  if (node.kind === ts.SyntaxKind.AnyKeyword) return 'any';
  if (ts.isNonNullExpression(node)) return 'a non-null assertion';
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) return 'a re-export';
  if (ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword) return 'a default export';
  if (!ts.isPropertyAccessExpression(node) || !ts.isMetaProperty(node.expression)) return null;
  return node.name.text === 'url' ? null : `import.meta.${node.name.text}: bundles keep only import.meta.url`;
}

/** Node's own timers fire at once when they are set for more than 24.8 days; one file knows how to wait longer. */
export function timerBreaches(file: Source): string[] {
  if (file.path === 'src/timer.ts') return [];
  return uses(file, ['setTimeout', 'setInterval', 'globalThis.setTimeout', 'globalThis.setInterval']);
}

/** Words that bring time, chance or the outside into a file; in machines not one, in the engine only through ports. */
const TIMERS = ['setTimeout', 'setInterval', 'AbortSignal.timeout'];
const OUTSIDE = [...TIMERS, 'Date', 'performance.now', 'setImmediate', 'queueMicrotask'];
const AMBIENT = [
  'console',
  'process',
  'crypto',
  'fetch',
  'Buffer',
  'globalThis',
  'navigator',
  'structuredClone',
];

export function purityBreaches(file: Source): string[] {
  if (file.path.startsWith('src/machines/'))
    return uses(file, [...OUTSIDE, ...AMBIENT, 'Math.random', 'Intl']);
  if (file.path.startsWith('src/engine/')) {
    return uses(file, ['console', 'Date.now', 'new Date()', ...TIMERS, 'performance.now', 'Math.random']);
  }
  return /^src\/(cli|demo)\//.test(file.path) ? [] : uses(file, ['console']);
}

function uses(file: Source, names: readonly string[]): string[] {
  const found: string[] = [];
  visit(file.tree, (node) => {
    const name = readName(node);
    if (name !== null && names.includes(name)) found.push(`${file.path}:${lineOf(file, node)} uses ${name}`);
  });
  return found;
}

/** `x`, `x.y` or `new x()` where it is read as a value; not the y of x.y, a property's name or a type. */
function readName(node: ts.Node): string | null {
  if (ts.isNewExpression(node) && node.arguments?.length === 0) return `new ${node.expression.getText()}()`;
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    return `${node.expression.text}.${node.name.text}`;
  }
  if (!ts.isIdentifier(node)) return null;
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node ? node.text : null;
  const named = 'name' in parent && parent.name === node && !ts.isShorthandPropertyAssignment(parent);
  return named || ts.isTypeReferenceNode(parent) ? null : node.text;
}
