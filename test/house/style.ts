/**
 * Rules for one file: its length and the length of its functions, its name, its first comment, and constructs that this
 * repository forbids. Each rule returns its violations as lines for people.
 */
import { posix } from 'node:path';
import ts from 'typescript';
import { lineOf, type Source, visit } from './source.ts';

export const MAX_FILE_LINES = 400;
export const MAX_FUNCTION_LINES = 60;
const MIN_COMMENT_LENGTH = 40;

/** Functions are measured only in src: in tests, the body of a `describe` is a list of tests and may be long. */
export function lengthViolations(file: Source, functionsToo: boolean): string[] {
  const lines = file.text.trimEnd().split('\n').length;
  const tooLong =
    lines > MAX_FILE_LINES ? [`${file.path} has ${lines} lines, more than ${MAX_FILE_LINES}`] : [];
  visit(file.tree, (node) => {
    if (!functionsToo || !ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return;
    const from = lineOf(file, node);
    const length = file.tree.getLineAndCharacterOfPosition(node.getEnd()).line + 2 - from;
    if (length > MAX_FUNCTION_LINES)
      tooLong.push(`${file.path}:${from} a function of ${length} lines, more than ${MAX_FUNCTION_LINES}`);
  });
  return tooLong;
}

/** File names that do not describe the content, because such files collect unrelated code. */
export function nameViolations(path: string): string[] {
  if (!/\.(ts|mjs|sh)$/.test(path)) return [];
  const vague = /(^|\/)(utils?|helpers?|common|types?|index|misc|shared|lib)(\/|\.[a-z]+$)/;
  const words = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+)*\.[a-z]+$/;
  return [
    ...(vague.test(path) ? [`${path} has a name that does not describe its content`] : []),
    ...(words.test(posix.basename(path)) ? [] : [`${path} is not in lower case with hyphens`]),
  ];
}

/** Every file begins with its purpose. */
export function paragraphViolations(file: Source): string[] {
  const text = file.text.replace(/^#!.*\n/, '');
  const comment = /^\/\*\*[\s\S]*?\*\//.exec(text)?.[0] ?? '';
  return comment.length < MIN_COMMENT_LENGTH
    ? [`${file.path} does not begin with a comment about its purpose`]
    : [];
}

/** Constructs that bypass the compiler, re-exports, and expressions that a bundle does not support. */
export function constructViolations(file: Source): string[] {
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

/**
 * Timers of Node fire at once if set for more than 24.8 days; only src/timer.ts, which can wait longer, may set them.
 */
export function timerViolations(file: Source): string[] {
  if (file.path === 'src/timer.ts') return [];
  return uses(file, ['setTimeout', 'setInterval', 'globalThis.setTimeout', 'globalThis.setInterval']);
}

/** Names that give access to time, randomness or the environment: forbidden in machines; the engine must use ports. */
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

export function purityViolations(file: Source): string[] {
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

/**
 * `x`, `x.y` or `new x()` if the node reads it as a value; null for the y of x.y, the name of a property, or a type.
 */
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
