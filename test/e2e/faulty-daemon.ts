/** The daemon of the command line with one fault point in it: POINT FILE daemon --config CONFIG. */
import { daemonCommand } from '../../src/cli/commands/daemon.ts';
import { reportFailure } from '../../src/cli/output/error.ts';
import { terminalIo } from '../../src/cli/output/terminal.ts';
import { faultAt } from './fault-injection.ts';

const [point = '', file = '', , , config = ''] = process.argv.slice(2);
const io = terminalIo();
process.exitCode = await daemonCommand(io, config, { report: true }, faultAt(point, file)).catch((thrown) =>
  reportFailure(io, thrown),
);
