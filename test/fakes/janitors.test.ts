import { janitorsContract } from '../contracts/janitors.ts';
import { janitorSpec } from '../machines/facts.ts';
import { FakeJanitors } from './janitors.ts';

janitorsContract('fake', async () => {
  const janitors = new FakeJanitors();
  return {
    janitors,
    newRun: async () => {
      const { backends, work, timeoutMs, outputLimitBytes } = janitorSpec();
      const run = { janitor: 'array1', cleaning: 'c1', attempt: 1 };
      const key = 'runJanitor:1';
      return {
        request: { type: 'runJanitor', key, run, backends, work, timeoutMs, outputLimitBytes },
        finish: async (code) => void janitors.end(run, { how: 'exited', code }),
        begun: async () => janitors.started,
      };
    },
    close: async () => {},
  };
});
