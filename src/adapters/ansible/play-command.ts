/** The command with which runner.sh runs ansible-playbook. */
import { fileURLToPath } from 'node:url';
import { eventsFile } from './workspace.ts';

const PLAY = fileURLToPath(new URL('./play.sh', import.meta.url));

/** @param tries how many times it is started in total; only a run that was killed is started again */
export function playCommand(runDirectory: string, tries: number, argv: readonly string[]): readonly string[] {
  return ['sh', PLAY, eventsFile(runDirectory), String(tries), ...argv];
}
