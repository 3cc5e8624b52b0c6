/** Runs a stage on its server, until it ends or is lost. */
import type { FailedTask } from '../../machines/model/domain.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { Adapters, EffectOf, RunHandle, RunOutcome } from '../ports/adapters.ts';
import type { Performance } from './perform.ts';
import { ServerWatch } from './server-watch.ts';

/** A stage ends early only when its provider says that the server is gone. An outage alone does not end it. */
export async function runStage(effect: EffectOf<'runStage'>, performance: Performance): Promise<AnyEvent> {
  const { server, stage } = effect.run;
  const { adapters, clock, stopping, abort } = performance;
  const provider = adapters.providers.get(server.provider);
  const watch = new ServerWatch({ server, provider, clock, stopping, abort });
  const lost = (why: string): AnyEvent => ({ type: 'stage.lost', stage, why, serverGone: true });
  try {
    const ended = await watchStage(effect, performance, watch);
    const why = ended.type === 'stage.lost' ? await watch.whyGone() : null;
    return why === null ? ended : lost(`the server ${why}`);
  } catch (error) {
    if (watch.gone === null || stopping.aborted) throw error;
    return lost(`the server ${watch.gone}`);
  } finally {
    watch.close();
  }
}

async function watchStage(
  effect: EffectOf<'runStage'>,
  performance: Performance,
  watch: ServerWatch,
): Promise<AnyEvent> {
  const { stage } = effect.run;
  const { adapters } = performance;
  const over = performance.abort.signal;
  // Stopping before the lookup ensures that a run that has not begun does not begin.
  if (performance.serverUnneeded) await adapters.runner.stop(effect.run, over);
  const handle = await adapters.runner.start(effect, over, watch.onContact);
  if (!over.aborted)
    performance.emit({ type: 'stage.started', stage, pid: handle.pid, adopted: handle.adopted });
  const outcome = await endedOrDetached(handle, over);
  if (outcome.how === 'lost') return { type: 'stage.lost', stage, why: adapters.hide(outcome.why) };
  const { facts, ...end } = outcome;
  const exited = { type: 'stage.exited', stage, ...(facts === undefined ? {} : { facts }) } as const;
  if (end.how === 'exited' && end.code === 0) return { ...exited, end };
  if (end.how === 'exited' && end.failedTask !== undefined)
    return { ...exited, end: { ...end, failedTask: withoutSecrets(end.failedTask, adapters) } };
  const lastLine = await adapters.evidence.lastLine(effect.run.owner, stage);
  return { ...exited, end, ...(lastLine === null ? {} : { lastLine }) };
}

export function withoutSecrets({ task, host, message }: FailedTask, { hide }: Adapters): FailedTask {
  return { task: hide(task), host: hide(host), message: hide(message) };
}

/** Resolves when the run ends. When `over` aborts, it detaches and the run continues. */
export function endedOrDetached(handle: RunHandle, over: AbortSignal): Promise<RunOutcome> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      handle.detach();
      reject(over.reason);
    };
    over.addEventListener('abort', stop, { once: true });
    if (over.aborted) stop();
    void handle.ended.then(resolve).finally(() => over.removeEventListener('abort', stop));
  });
}
