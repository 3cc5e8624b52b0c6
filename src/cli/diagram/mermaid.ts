/** A machine as a flowchart of Mermaid, which GitHub and many wikis draw. */
import { type GraphState, leafPaths } from '../../machines/graph.ts';
import { plainText } from '../../terminal-text.ts';
import { type Drawing, edgeLines, groupLabel, groupsLeft, markOf, rowsOn } from './drawing.ts';

export function toMermaid(drawing: Drawing): string {
  const { title, graph } = drawing;
  const groups = groupsLeft(graph);
  const lines = ['---', `title: ${JSON.stringify(plainText(title))}`, '---', 'flowchart TB'];
  lines.push('  begin(( ))', `  begin --> ${idOf(graph.initial)}`);
  if (groups.has('')) lines.push(`  any_([${quoted(groupLabel(''))}])`);
  for (const state of graph.states) lines.push(...stateLines(state, '  ', groups));
  const walked: number[] = [];
  for (const [index, edge] of graph.edges.entries()) {
    const from = groups.has(edge.from) ? anyId(edge.from) : idOf(edge.from);
    lines.push(`  ${from} -->|${quoted(...edgeLines(drawing, edge))}| ${idOf(edge.to)}`);
    // The edge from `begin` is number 0.
    if (rowsOn(drawing, edge).length > 0) walked.push(index + 1);
  }
  if (walked.length > 0) lines.push(`  linkStyle ${walked.join(',')} stroke:#1a66cc,stroke-width:3px`);
  for (const mark of ['visited', 'current'] as const) {
    const marked = leafPaths(graph.states).filter((path) => markOf(drawing, path) === mark);
    if (marked.length === 0) continue;
    const fill = mark === 'current' ? '#ffd24d' : '#cfe2ff';
    lines.push(`  classDef ${mark} fill:${fill},stroke:#1a66cc,stroke-width:3px,color:#000`);
    lines.push(`  class ${marked.map(idOf).join(',')} ${mark}`);
  }
  return `${lines.join('\n')}\n`;
}

function stateLines(
  { path, name, children, ended }: GraphState,
  margin: string,
  groups: ReadonlySet<string>,
): readonly string[] {
  const label = quoted(name);
  if (children.length === 0) return [`${margin}${idOf(path)}${ended ? `[[${label}]]` : `(${label})`}`];
  const any = groups.has(path) ? [`${margin}  ${anyId(path)}([${quoted(groupLabel(path))}])`] : [];
  const inner = children.flatMap((child) => stateLines(child, `${margin}  `, groups));
  return [`${margin}subgraph ${idOf(path)}[${label}]`, ...any, ...inner, `${margin}end`];
}

/** `end` and other words of Mermaid cannot be ids. */
function idOf(path: string): string {
  return `s_${path.replaceAll(/\W/g, '_')}`;
}

function anyId(group: string): string {
  return `any_${group.replaceAll(/\W/g, '_')}`;
}

/** Only letters, digits and harmless signs stay; the rest becomes entities. */
function quoted(...lines: readonly string[]): string {
  const escaped = lines.map((line) =>
    plainText(line).replaceAll(/[^\w .,:@~+/()[\]-]/gu, (sign) => `#${sign.codePointAt(0)};`),
  );
  return `"${escaped.join('<br>')}"`;
}
