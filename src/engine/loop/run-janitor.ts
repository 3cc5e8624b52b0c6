/** Runs a janitor on this host, until it ends or is lost. */
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { EffectOf } from '../ports/adapters.ts';
import type { Performance } from './perform.ts';
import { endedOrDetached, withoutSecrets } from './run-stage.ts';

export async function runJanitor(
  effect: EffectOf<'runJanitor'>,
  { adapters, abort, ended, emit }: Performance,
): Promise<AnyEvent> {
  const { signal } = abort;
  const { janitors, hide } = adapters;
  // Stopping before the lookup ensures that a run that has not begun does not begin.
  if (ended) await janitors.stop(effect.run, signal);
  const handle = await janitors.start(effect, signal);
  if (!signal.aborted) emit({ type: 'janitor.started', pid: handle.pid, adopted: handle.adopted });
  const end = await endedOrDetached(handle, signal);
  if (end.how === 'lost') return { type: 'janitor.lost', why: hide(end.why) };
  if (end.how === 'exited' && end.code === 0) return { type: 'janitor.exited', end };
  if (end.how === 'exited' && end.failedTask !== undefined)
    return {
      type: 'janitor.exited',
      end: { ...end, failedTask: withoutSecrets(end.failedTask, adapters) },
    };
  const lastLine = await janitors.lastLine(effect.run);
  return { type: 'janitor.exited', end, ...(lastLine === null ? {} : { lastLine }) };
}
