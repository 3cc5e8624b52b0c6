/** `sos-ci replay --format` and `--gantt`: the path that a history walked on its machine's graph, and when it was in each state. */
import type { NumberedRow } from '../../engine/ports/store.ts';
import { machineGraph } from '../../machines/graph.ts';
import { isKnownMachine, versionOf } from '../../machines/versions.ts';
import { walkOn } from '../../machines/walk.ts';
import { plainText } from '../../terminal-text.ts';
import { type Format, render } from '../diagram/render.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { stateSpans } from '../output/state-spans.ts';
import type { Io } from '../output/terminal.ts';
import { utc } from '../output/time.ts';

export interface PictureOptions {
  readonly format?: Format;
  readonly gantt?: boolean;
  readonly json?: boolean;
}

export async function replayPicture(
  io: Io,
  rows: readonly NumberedRow[],
  { format = 'mermaid', gantt, json }: PictureOptions,
): Promise<number> {
  const [first] = rows;
  if (first === undefined) throw new CliError(EXIT.usage, 'the history has no rows');
  if (json)
    throw new CliError(EXIT.usage, 'a picture is not JSON', 'the rows as JSON: sos-ci history ID --json');
  if (!isKnownMachine(first.machine))
    throw new CliError(
      EXIT.usage,
      `this program has no machine ${plainText(first.machine)}`,
      'use the version of sos-ci that wrote the history',
    );
  const title = `${first.machine} ${first.history}`;
  if (gantt) {
    const { ganttMermaid, ganttSvg } = await import('../diagram/gantt.ts');
    if (format === 'dot')
      throw new CliError(
        EXIT.usage,
        'Graphviz draws no Gantt charts',
        'use --format mermaid or --format svg',
      );
    const chart = { title: `${title}, ${utc(first.at)}`, spans: stateSpans(rows), now: io.now() };
    io.out(format === 'svg' ? ganttSvg(chart) : ganttMermaid(chart));
    return EXIT.ok;
  }
  const walk = walkOn(machineGraph(versionOf(first).machine), rows);
  io.out(await render({ title, graph: walk.graph, walk }, format));
  return EXIT.ok;
}
