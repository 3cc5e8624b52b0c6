/** A machine as an SVG image, laid out by dagre. */
import { Graph, layout } from '@dagrejs/dagre';
import type { GraphState } from '../../machines/graph.ts';
import { type Drawing, edgeLines, groupLabel, groupsLeft, markOf, rowsOn } from './drawing.ts';
import { image, multiline, round, TEXT, textWidth, xml } from './svg-text.ts';

interface Point {
  readonly x: number;
  readonly y: number;
}

interface Box extends Point {
  readonly width: number;
  readonly height: number;
}

/** Above the children of a state, for its name. */
const NAME_HEIGHT = 18;
const MARGIN = 16;
const BEGIN = '.begin';

const STYLE = `
.box{fill:#fff;stroke:#555}.group{fill:#f6f7f9;stroke:#aab}.any{fill:#fff;stroke:#888;stroke-dasharray:4 3}
.visited{fill:#cfe2ff;stroke:#1a66cc;stroke-width:2.5}.current{fill:#ffd24d;stroke:#1a66cc;stroke-width:2.5}
.edge{fill:none;stroke:#777}.walked{stroke:#1a66cc;stroke-width:2.5}.head{fill:#777}.walkedhead{fill:#1a66cc}
.label{fill:#444}.walkedlabel{fill:#0b4aa2;font-weight:bold}.back{fill:#fff;fill-opacity:.85}`;

export function toSvg(drawing: Drawing): string {
  const laidOut = layOut(drawing);
  const { width = 0, height = 0 } = laidOut.graph();
  const nodes = drawing.graph.states.flatMap((state) => stateShapes(drawing, laidOut, state));
  const groups = [...groupsLeft(drawing.graph)].map((group) => {
    const box = boxOf(laidOut, anyId(group));
    return `${rect(box, 'any', box.height / 2)}${middle(box, groupLabel(group))}`;
  });
  const begin = boxOf(laidOut, BEGIN);
  const shapes = [
    ...nodes,
    ...groups,
    `<circle cx="${round(begin.x)}" cy="${round(begin.y)}" r="6"/>`,
    ...edgeShapes(drawing, laidOut),
  ];
  return image(drawing.title, { width, height }, STYLE, [MARKERS, ...shapes]);
}

const MARKERS = `<defs>${['head', 'walkedhead']
  .map(
    (name) =>
      `<marker id="${name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="${name}" d="M0 0L8 4L0 8z"/></marker>`,
  )
  .join('')}</defs>`;

function layOut(drawing: Drawing): Graph {
  const { graph } = drawing;
  const laidOut = new Graph({ compound: true, multigraph: true });
  laidOut.setGraph({
    rankdir: 'TB',
    nodesep: 24,
    ranksep: 34,
    edgesep: 14,
    marginx: MARGIN,
    marginy: MARGIN,
  });
  laidOut.setNode(BEGIN, { width: 12, height: 12 });
  const groups = groupsLeft(graph);
  const addGroup = (group: string): void => {
    if (!groups.has(group)) return;
    laidOut.setNode(anyId(group), { width: textWidth([groupLabel(group)]) + 24, height: 26 });
    if (group !== '') laidOut.setParent(anyId(group), group);
  };
  const add = ({ path, name, children }: GraphState, parent: string | null): void => {
    laidOut.setNode(path, children.length > 0 ? {} : { width: textWidth([name]) + 24, height: 30 });
    if (parent !== null) laidOut.setParent(path, parent);
    addGroup(path);
    for (const child of children) add(child, path);
  };
  addGroup('');
  for (const state of graph.states) add(state, null);
  laidOut.setEdge(BEGIN, graph.initial, {}, 'begin');
  for (const [index, edge] of graph.edges.entries()) {
    const lines = edgeLines(drawing, edge);
    const size = { width: textWidth(lines) + 6, height: lines.length * TEXT.line + 4, labelpos: 'c' };
    laidOut.setEdge(groups.has(edge.from) ? anyId(edge.from) : edge.from, edge.to, size, String(index));
  }
  layout(laidOut);
  return laidOut;
}

/** The state behind its children. */
function stateShapes(drawing: Drawing, laidOut: Graph, state: GraphState): readonly string[] {
  const box = boxOf(laidOut, state.path);
  if (state.children.length > 0) {
    const [x, y] = [box.x - box.width / 2 + 6, box.y - box.height / 2 + NAME_HEIGHT - 5];
    const name = `<text x="${round(x)}" y="${round(y)}" font-weight="bold">${xml(state.name)}</text>`;
    const inner = state.children.flatMap((child) => stateShapes(drawing, laidOut, child));
    return [rect(box, 'group', 6) + name, ...inner];
  }
  const mark = markOf(drawing, state.path);
  const kind = mark === 'none' ? 'box' : mark;
  const inside = { ...box, width: box.width - 6, height: box.height - 6 };
  const double = state.ended ? rect(inside, kind, 4) : '';
  return [`${rect(box, kind, 6)}${double}${middle(box, state.name)}`];
}

function edgeShapes(drawing: Drawing, laidOut: Graph): readonly string[] {
  const named = new Map(drawing.graph.edges.map((edge, index) => [String(index), edge]));
  const lines: string[] = [];
  const labels: string[] = [];
  for (const key of laidOut.edges()) {
    const edge = named.get(key.name ?? '');
    const { points = [], x = 0, y = 0, width = 0, height = 0 } = laidOut.edge(key);
    const walked = edge !== undefined && rowsOn(drawing, edge).length > 0;
    const head = walked ? 'walkedhead' : 'head';
    const path = key.v === key.w ? loop(boxOf(laidOut, key.v), x - width / 2) : curve(points);
    lines.push(`<path class="edge${walked ? ' walked' : ''}" d="${path}" marker-end="url(#${head})"/>`);
    if (edge === undefined) continue;
    const text = multiline({ x, y }, edgeLines(drawing, edge), walked ? 'walkedlabel' : 'label');
    labels.push(`${rect({ x, y, width, height }, 'back', 2)}${text}`);
  }
  return [...lines, ...labels];
}

/** Through the middle of each pair of points, bent at the points. */
function curve(points: readonly Point[]): string {
  const at = ({ x, y }: Point) => `${round(x)} ${round(y)}`;
  const [first, ...rest] = points;
  if (first === undefined) return '';
  const bends = rest.slice(0, -1).map((point, index) => {
    const next = rest[index + 1] ?? point;
    return `Q${at(point)} ${at({ x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 })}`;
  });
  const last = rest.at(-1) ?? first;
  return `M${at(first)}${bends.join('')}L${at(last)}`;
}

/** From the right side of a state to its label and back. */
function loop({ x, y, width }: Box, label: number): string {
  const [right, far] = [round(x + width / 2), round(label + 4)];
  return `M${right} ${round(y - 5)}C${far} ${round(y - 22)} ${far} ${round(y + 22)} ${right} ${round(y + 5)}`;
}

function boxOf(laidOut: Graph, node: string): Box {
  const { x = 0, y = 0, width = 0, height = 0 } = laidOut.node(node);
  return { x, y, width, height };
}

function rect({ x, y, width, height }: Box, kind: string, radius: number): string {
  const corner = `x="${round(x - width / 2)}" y="${round(y - height / 2)}"`;
  return `<rect class="${kind}" ${corner} width="${round(width)}" height="${round(height)}" rx="${radius}"/>`;
}

function middle({ x, y }: Point, text: string): string {
  return multiline({ x, y }, [text], '');
}

function anyId(group: string): string {
  return `.any ${group}`;
}
