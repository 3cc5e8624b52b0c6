/** Keys of `gerrit.rest`: where it is there, reviews are posted by REST instead of SSH. */
import { z } from 'zod';
import { duration, optionalText, text } from '../fields/fields.ts';
import { password } from '../fields/password-keys.ts';
import { oneWord, siteAddress } from '../fields/validators.ts';

export const rest = z.strictObject({
  url: text({
    kind: 'web address',
    check: siteAddress,
    about:
      'address of the Gerrit site, such as https://review.opendev.org; reviews go there instead of by SSH, and what was missed is asked there',
  }),
  user: optionalText({ check: oneWord, about: 'the account; by default gerrit.user' }),
  password,
  caFile: optionalText({
    kind: 'path',
    about: "certificates (PEM) of authorities that sign the site's, instead of the host's",
  }),
  idle: duration({ default: '15s', min: '1s', about: 'that an unused connection is kept' }),
  retryAfterMax: duration({
    default: '1m',
    min: '0s',
    about: 'longest wait that a busy site may ask for (Retry-After)',
  }),
});
