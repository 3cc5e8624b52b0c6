/** `sos-ci graph`: a state machine as a picture, or as data. */
import { leafPaths, machineGraph } from '../../machines/graph.ts';
import { findMachine, versionOf, versions } from '../../machines/versions.ts';
import { plainText } from '../../terminal-text.ts';
import { type Format, render } from '../diagram/render.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Column, printTable } from '../output/table.ts';
import { type Io, printJson } from '../output/terminal.ts';

export interface GraphOptions {
  readonly format?: Format;
  readonly json?: boolean;
}

/** @param typed `job` (its newest version) or `job@1`; without it, lists the machines */
export async function graphCommand(
  io: Io,
  typed: string | undefined,
  options: GraphOptions,
): Promise<number> {
  if (typed === undefined) return listMachines(io, options);
  const machine = findMachine(typed);
  if (machine === null)
    throw new CliError(
      EXIT.usage,
      `there is no machine ${plainText(JSON.stringify(typed))}`,
      'list them: sos-ci graph',
    );
  const graph = machineGraph(versionOf({ machine }).machine);
  if (options.json) printJson(io, { machine, ...graph });
  else io.out(await render({ title: machine, graph, walk: null }, options.format ?? 'mermaid'));
  return EXIT.ok;
}

function listMachines(io: Io, { format, json }: GraphOptions): number {
  if (format !== undefined)
    throw new CliError(EXIT.usage, 'a picture shows one machine', `sos-ci graph job --format ${format}`);
  const machines = Object.entries(versions).map(([machine, version]) => {
    const graph = machineGraph(version.machine);
    return { machine, states: leafPaths(graph.states).length, transitions: graph.edges.length };
  });
  if (json) {
    printJson(io, { machines });
    return EXIT.ok;
  }
  const columns: readonly Column<(typeof machines)[number]>[] = [
    { title: 'MACHINE', text: ({ machine }) => machine },
    { title: 'STATES', text: ({ states }) => String(states), right: true },
    { title: 'TRANSITIONS', text: ({ transitions }) => String(transitions), right: true },
  ];
  printTable(io, columns, machines);
  return EXIT.ok;
}
