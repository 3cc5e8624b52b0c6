/** A machine in the language of Graphviz. */
import type { GraphState } from '../../machines/graph.ts';
import { plainText } from '../../terminal-text.ts';
import { type Drawing, edgeLines, groupLabel, groupsLeft, markOf, rowsOn } from './drawing.ts';

const WALKED = 'color="#1a66cc" penwidth=2.5';

export function toDot(drawing: Drawing): string {
  const { title, graph } = drawing;
  const groups = groupsLeft(graph);
  const lines = [
    `digraph ${quoted(title)} {`,
    `  label=${quoted(title)} labelloc=t fontname="sans-serif"`,
    '  node [shape=box style="rounded,filled" fillcolor=white fontname="sans-serif" fontsize=11]',
    '  edge [fontname="sans-serif" fontsize=9]',
    '  ".begin" [shape=point width=0.12 label=""]',
    `  ".begin" -> ${quoted(graph.initial)}`,
  ];
  if (groups.has('')) lines.push(`  ${anyNode('')}`);
  for (const state of graph.states) lines.push(...stateLines(drawing, state, '  ', groups));
  for (const edge of graph.edges) {
    const from = groups.has(edge.from) ? anyId(edge.from) : quoted(edge.from);
    const walked = rowsOn(drawing, edge).length > 0 ? ` ${WALKED}` : '';
    lines.push(`  ${from} -> ${quoted(edge.to)} [label=${quoted(...edgeLines(drawing, edge))}${walked}]`);
  }
  return `${[...lines, '}'].join('\n')}\n`;
}

function stateLines(
  drawing: Drawing,
  { path, name, children, ended }: GraphState,
  margin: string,
  groups: ReadonlySet<string>,
): readonly string[] {
  if (children.length === 0) {
    const mark = markOf(drawing, path);
    const fill = mark === 'current' ? '#ffd24d' : '#cfe2ff';
    const style = mark === 'none' ? '' : ` fillcolor="${fill}" ${WALKED}`;
    return [`${margin}${quoted(path)} [label=${quoted(name)}${ended ? ' peripheries=2' : ''}${style}]`];
  }
  return [
    `${margin}subgraph ${quoted(`cluster_${path}`)} {`,
    `${margin}  label=${quoted(name)}`,
    ...(groups.has(path) ? [`${margin}  ${anyNode(path)}`] : []),
    ...children.flatMap((child) => stateLines(drawing, child, `${margin}  `, groups)),
    `${margin}}`,
  ];
}

function anyNode(group: string): string {
  return `${anyId(group)} [label=${quoted(groupLabel(group))} shape=oval]`;
}

function anyId(group: string): string {
  return quoted(`.any ${group}`);
}

function quoted(...lines: readonly string[]): string {
  const escaped = lines.map((line) => plainText(line).replaceAll(/[\\"]/g, (sign) => `\\${sign}`));
  return `"${escaped.join('\\n')}"`;
}
