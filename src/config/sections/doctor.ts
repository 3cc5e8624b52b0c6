/** Keys of `doctor`: how long `sos-ci doctor` waits, and what it takes for too little or too far off. */
import { z } from 'zod';
import { duration, size } from '../fields/fields.ts';

/** More than any disk has. */
const LARGEST = '1000000GB';

export const doctor = z.strictObject({
  timeout: duration({ default: '30s', min: '1s', about: 'for one check; past it, the check has failed' }),
  streamWait: duration({
    default: '2s',
    min: '10ms',
    about: 'how long Gerrit may take to refuse the stream of events; then it counts as allowed',
  }),
  diskFree: size({
    default: '5GB',
    max: LARGEST,
    about: 'on this host, for the state and for published logs; less is a failure',
  }),
  nodeDiskFree: size({
    default: '10GB',
    max: LARGEST,
    about: 'on each host of a static provider; less is a failure',
  }),
  clockSkew: duration({
    default: '10s',
    min: '2s',
    about: "by which this host's clock may differ from Gerrit's; more is a failure",
  }),
});
