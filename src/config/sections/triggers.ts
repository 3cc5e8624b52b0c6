/**
 * The part of `sos-ci.yaml` that says what starts a job: what holds for all of them under `triggers`, and what each job asks
 * for itself.
 */
import { z } from 'zod';
import { TRIGGER_KINDS } from '../../machines/model/domain.ts';
import { SUPERSEDE_MODES } from '../../machines/trigger/rules/supersede.ts';
import {
  choice,
  duration,
  flag,
  integer,
  integers,
  optionalInteger,
  optionalText,
  text,
  textOrTexts,
  texts,
} from '../fields/fields.ts';
import {
  afterVote,
  branchPattern,
  filePattern,
  labelName,
  namePattern,
  patchsetKind,
  projectPattern,
  regularExpression,
  triggerKind,
} from '../fields/validators.ts';

const AFTER = 'account, label and value';

export const triggers = z.strictObject({
  recheck: flag({
    default: true,
    about:
      'a comment that begins with recheck starts jobs; false: only run-NAME does, and what jobs list under comments',
  }),
  ciAccounts: names(
    "accounts that never start anything but by a vote that votes names, beside those that look like a CI's: patterns for user name, display name or e-mail",
  ),
  people: names("accounts that look like a CI's (such as zuul, jenkins, x-ci, or X CI) and are none"),
  after: optionalText({
    kind: AFTER,
    check: afterVote,
    about:
      'such as zuul Verified+1: jobs that nobody asked for wait for this vote; a vote of the other sign cancels them quietly',
  }),
  supersede: choice({
    of: SUPERSEDE_MODES,
    default: 'running',
    about:
      'what a newer patchset ends: jobs of older ones also when they run; only those that are still queued; or none. What goes on is reported without a vote',
  }),
  afterTimeout: duration({ default: '4h', about: 'until they start without it' }),
  limits: z
    .strictObject({
      change: limit(
        20,
        'starts of one change in an hour; what comes on top waits, and the operator is told once',
      ),
      author: limit(200, 'starts by one account in an hour'),
      project: limit(400, 'starts of one project in an hour'),
      all: limit(1000, 'starts in an hour'),
    })
    .prefault({}),
});

/** Keys of a job. */
export const jobTriggers = {
  project: textOrTexts({
    kind: 'pattern, or list of them',
    check: projectPattern,
    about: "the project's full name in Gerrit; * is any text, also /",
  }),
  branches: texts({
    kind: 'list of patterns',
    default: "['*']",
    fallback: ['*'],
    check: branchPattern,
    about: 'one must match the whole branch; * is any text, also /',
  }),
  triggers: texts({
    kind: `list of ${TRIGGER_KINDS.join(', ')}`,
    default: `[${TRIGGER_KINDS.join(', ')}]`,
    fallback: TRIGGER_KINDS,
    check: triggerKind,
    about:
      'what starts it: a new patchset, a comment that asks for it, a change that was restored, a vote that votes names, a change that is no longer work in progress or private',
  }),
  topics: names("one must match the change's topic; empty: any or none"),
  hashtags: names("one must match one of the change's hashtags; empty: any or none"),
  kinds: z
    .strictObject({
      only: kinds('kinds of new patchset that start it; empty: all'),
      never: kinds('kinds of new patchset that do not. The test of the patchset before goes on'),
    })
    .prefault({}),
  uploaders: people('uploaded the patchset'),
  authors: people("are the commit's author"),
  commenters: people('ask for it in a comment'),
  comments: texts({
    kind: 'list of regular expressions',
    default: '[]',
    fallback: [],
    check: regularExpression,
    about:
      "comments that start it, beside recheck and run-NAME; looked for anywhere in what was written below Gerrit's header",
  }),
  votes: z.array(vote()).max(100).prefault([]),
  files: z
    .strictObject({
      include: patterns(
        'regular expressions, looked for anywhere in a path; it runs when a file matches one; empty: any file',
      ),
      exclude: patterns(
        'files that do not count; when none is left it is SKIPPED. The word docs stands for documentation',
      ),
    })
    .prefault({}),
  after: optionalText({
    kind: `${AFTER}, or none`,
    check: (value) => (value === 'none' ? null : afterVote(value)),
    about: 'instead of triggers.after; none: it waits for no vote',
  }),
};

function vote() {
  return z.strictObject({
    label: text({ check: labelName, about: 'a vote on this label starts it' }),
    value: optionalInteger({ min: -10, max: 10, about: 'the value; either this or min' }),
    min: optionalInteger({ min: -10, max: 10, about: 'this value or more' }),
    by: textOrTexts({
      kind: 'pattern, or list of them',
      check: namePattern,
      about: "who votes: user name, display name or e-mail; '*' is anybody",
    }),
    from: integers({ min: -10, max: 10, about: 'what the vote was before, one of these; empty: anything' }),
  });
}

function people(what: string) {
  return z
    .strictObject({
      only: names(`only for those who ${what}; empty: everybody`),
      never: names(`never for those who ${what}`),
    })
    .prefault({});
}

function names(about: string) {
  return texts({ kind: 'list of patterns', default: '[]', fallback: [], check: namePattern, about });
}

function kinds(about: string) {
  return texts({ kind: "list of Gerrit's kinds", default: '[]', fallback: [], check: patchsetKind, about });
}

function patterns(about: string) {
  return texts({
    kind: 'list of regular expressions',
    default: '[]',
    fallback: [],
    check: filePattern,
    about,
  });
}

function limit(fallback: number, about: string) {
  return integer({ default: fallback, min: 0, max: 1_000_000, about });
}
