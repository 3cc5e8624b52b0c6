/**
 * A source file as the house rules see it: its path from the root of the repository, its text, its syntax tree, and all
 * its imports of any kind. Files are found on disk, not in git, so that new files are checked before they are added.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Made by tools, or private files of a developer: not part of the repository. */
const IGNORED = /^(node_modules|dist|dist\.[^/]*|state|sos-ci\.yaml|\.git|\.cache)$/;

export interface Source {
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
}

export interface Import {
  /** A path from the root of the repository, or the name of a package or of a module of Node. */
  readonly target: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

export function source(path: string, text: string): Source {
  return { path, text, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
}

/** Every TypeScript file under a directory. */
export function sourcesUnder(directory: string): Source[] {
  return filesUnder(directory)
    .filter((path) => path.endsWith('.ts'))
    .map((path) => source(path, readFileSync(join(ROOT, path), 'utf8')));
}

/** Paths of all files under a directory (`''`: all of the repository), from its root, in order. */
export function filesUnder(directory: string): string[] {
  return walk(join(ROOT, directory)).sort();
}

function walk(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (IGNORED.test(relative(ROOT, path))) return [];
    return entry.isDirectory() ? walk(path) : entry.isFile() ? [relative(ROOT, path)] : [];
  });
}

/** A cache: the imports of a file are needed once for each file that imports it. */
const imports = new WeakMap<Source, Import[]>();

/** Static and dynamic imports, re-exports, `import('x')` as a type and `require`. */
export function importsOf(file: Source): readonly Import[] {
  const known = imports.get(file);
  if (known !== undefined) return known;
  const found: Import[] = [];
  imports.set(file, found);
  visit(file.tree, (node) => {
    const specifier = specifierOf(node);
    if (specifier === undefined) return;
    found.push({
      target: resolve(file.path, specifier),
      typeOnly: isTypeOnly(node),
      line: lineOf(file, node),
    });
  });
  return found;
}

export function visit(node: ts.Node, onNode: (node: ts.Node) => void): void {
  onNode(node);
  node.forEachChild((child) => visit(child, onNode));
}

export function lineOf(file: Source, node: ts.Node): number {
  return file.tree.getLineAndCharacterOfPosition(node.getStart(file.tree)).line + 1;
}

function specifierOf(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node)) return textOf(node.moduleSpecifier);
  if (ts.isExportDeclaration(node)) return node.moduleSpecifier && textOf(node.moduleSpecifier);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return textOf(node.argument.literal);
  if (!ts.isCallExpression(node)) return undefined;
  const called = node.expression;
  const loads =
    called.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(called) && called.text === 'require');
  return loads ? textOf(node.arguments[0]) : undefined;
}

/** The specifier of an import; one that is computed at run time is replaced by a text that no rule allows. */
function textOf(node: ts.Node | undefined): string {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : 'computed at run time';
}

function isTypeOnly(node: ts.Node): boolean {
  if (ts.isImportDeclaration(node)) return node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  return ts.isImportTypeNode(node);
}

function resolve(from: string, specifier: string): string {
  return specifier.startsWith('.') ? posix.join(posix.dirname(from), specifier) : specifier;
}
