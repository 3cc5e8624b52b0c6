/** The part of `sos-ci.yaml` that bounds the cache of repositories, in which patches are merged before they are tested. */
import { z } from 'zod';
import { duration, integer, size } from '../fields/fields.ts';

export const gitCache = z.strictObject({
  cacheSize: size({
    default: '20GB',
    min: '1MB',
    about:
      'all repositories together; then what was not used for longest goes. At least twice the largest project',
  }),
  cacheProjects: integer({ default: 100, min: 1, max: 10_000, about: 'projects that are kept at once' }),
  cachePacks: integer({
    default: 50,
    min: 1,
    max: 10_000,
    about: 'packs in one repository, one for each fetch, until they are made into one',
  }),
  firstFetch: duration({
    default: '1h',
    min: '1s',
    about:
      'for the first fetch of a project, which brings its whole history; it goes on when nobody waits any more',
  }),
  renewInterval: duration({
    default: '1h',
    about:
      'after a new repository did not help either, until the next one is made because git can not work in it; five in this time at most',
  }),
});
