/**
 * Only files in src/machines name versions of machines or compare states; the engine calls functions of the machines.
 */

import ts from 'typescript';
import type { StateNode } from 'xstate';
import { newest, versions } from '../../src/machines/versions.ts';
import { lineOf, type Source, visit } from './source.ts';

const VERSION = new RegExp(`^(${Object.keys(newest).join('|')})@\\d+$`);
const SQL_ON_STATE = /\bstate\s*(=|==|<>|!=|IS|IN|LIKE|GLOB)\s/;

/** Has states of Gerrit, not of machines. */
const GERRIT = 'src/demo/gerrit/';

/** The dotted path of every state of every version, and the single names in these paths. */
const dotted = new Set(Object.values(versions).flatMap(({ machine }) => pathsOf(machine.root)));
const names = new Set([...dotted].flatMap((path) => path.split('.')));

function pathsOf(node: Pick<StateNode, 'path' | 'states'>): readonly string[] {
  const inner = Object.values(node.states).flatMap((child) => pathsOf(child));
  return node.path.length === 0 ? inner : [node.path.join('.'), ...inner];
}

/** Literals of versions and states in a file outside of src/machines. */
export function stateViolations(file: Source): string[] {
  if (file.path.startsWith('src/machines/') || file.path.startsWith(GERRIT)) return [];
  const found: string[] = [];
  visit(file.tree, (node) => {
    const text = textOf(node);
    if (text === null) return;
    const what = violationOf(node, text);
    if (what !== null) found.push(`${file.path}:${lineOf(file, node)} ${what}: ${text}`);
  });
  return found;
}

function textOf(node: ts.Node): string | null {
  if (ts.isStringLiteralLike(node) || node.kind === ts.SyntaxKind.RegularExpressionLiteral)
    return (node as ts.LiteralLikeNode).text;
  return ts.isTemplateHead(node) || ts.isTemplateMiddle(node) || ts.isTemplateTail(node) ? node.text : null;
}

function violationOf(node: ts.Node, text: string): string | null {
  if (VERSION.test(text)) return 'names a version of a machine';
  if (SQL_ON_STATE.test(text)) return 'queries by state';
  if (text.includes('.') && dotted.has(text)) return 'names a state';
  const words = text.split(/[^A-Za-z]+/).filter((word) => names.has(word));
  return words.length > 0 && isComparedWithState(node) ? 'compares a state' : null;
}

/**
 * `state === 'x'`, `job.state.startsWith('x')`, `['x'].includes(row.state)`, `/x/.test(state)`, `case 'x'` of a state.
 */
function isComparedWithState(node: ts.Node): boolean {
  for (let outer = node.parent; outer !== undefined && !ts.isStatement(outer); outer = outer.parent) {
    if (ts.isCaseClause(outer)) return mentionsState(outer.parent.parent.expression);
    if (ts.isBinaryExpression(outer) && isComparison(outer) && mentionsState(outer)) return true;
    if (ts.isCallExpression(outer) && isTest(outer) && mentionsState(outer)) return true;
  }
  return false;
}

function isComparison({ operatorToken }: ts.BinaryExpression): boolean {
  return /^[!=]==?$/.test(operatorToken.getText());
}

function isTest({ expression }: ts.CallExpression): boolean {
  return (
    ts.isPropertyAccessExpression(expression) &&
    /^(startsWith|endsWith|includes|test|match|has|indexOf)$/.test(expression.name.text)
  );
}

function mentionsState(expression: ts.Node): boolean {
  let found = false;
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && node.text === 'state') found = true;
    ts.forEachChild(node, visit);
  };
  visit(expression);
  return found;
}
