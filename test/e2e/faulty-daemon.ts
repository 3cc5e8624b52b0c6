/**
 * The daemon of the command line with one fault point in it: POINT FILE daemon --config CONFIG. Its clock is ahead by
 * FAULTY_DAYS_LATER.
 */
import { daemonCommand } from '../../src/cli/commands/daemon.ts';
import { reportFailure } from '../../src/cli/output/error.ts';
import { terminalIo } from '../../src/cli/output/terminal.ts';
import { faultAt } from './fault-injection.ts';

const [point = '', file = '', , , config = ''] = process.argv.slice(2);
const { now } = Date;
Date.now = () => now() + Number(process.env.FAULTY_DAYS_LATER ?? 0) * 86_400_000;
const io = terminalIo({ jsonl: false, header: true });
process.exitCode = await daemonCommand(io, config, { report: true }, faultAt(point, file)).catch((thrown) =>
  reportFailure(io, thrown),
);
