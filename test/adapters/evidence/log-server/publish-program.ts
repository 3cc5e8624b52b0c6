/** Publishes collected evidence to a log server, in a process of its own that a test can kill. Its argument is JSON. */
import { LocalEvidence } from '../../../../src/adapters/evidence/local-evidence.ts';
import { LogServerPublisher } from '../../../../src/adapters/evidence/log-server/publisher.ts';
import { reportSubunit } from '../../../../src/adapters/results/subunit/report.ts';
import { EVIDENCE_LIMITS } from '../../../fixtures/bounds.ts';

const { stateDir, url, config, request } = JSON.parse(process.argv[2] ?? '');
const evidence = new LocalEvidence({
  stateDir,
  publisher: new LogServerPublisher(config),
  url,
  redact: { values: [] },
  limits: EVIDENCE_LIMITS,
  readReport: reportSubunit,
});
await evidence.publish(request, new AbortController().signal);
