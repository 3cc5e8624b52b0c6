/** How the file names a password: by a file or an environment variable that holds it, one of the two. */
import { z } from 'zod';
import { optionalText } from './fields.ts';
import { oneWord } from './validators.ts';

export const password = z.strictObject({
  file: optionalText({
    kind: 'path',
    about: 'file that holds the password alone, readable for this user only (mode 600)',
  }),
  env: optionalText({ check: oneWord, about: 'environment variable of the daemon that holds the password' }),
});

/** Where a password may be named, as keys from the top. */
export const PASSWORD_PATHS = [
  ['gerrit', 'rest', 'password'],
  ['mail', 'smtp', 'password'],
] as const;
