/**
 * `preset: devstack-tempest` of a job: DevStack with the change, then Tempest, by the roles of the collection
 * `sos_ci.openstack`. Replaced by ordinary keys before anything else reads the job.
 */
import { z } from 'zod';
import { FieldError } from '../fields/field-error.ts';
import { mapping, optionalInteger, optionalText, text, texts } from '../fields/fields.ts';
import { merge } from '../file/yaml-document.ts';
import { checkVariableName, MAX_VARIABLES_BYTES } from './stages.ts';

const NAME = 'devstack-tempest';
const STACKING_TIMEOUT = '2h';
/** As in Cinder's own jobs. */
const TESTING_TIMEOUT = '3h';
/** Paths in the work tree to which the roles write. */
const RESULTS = 'testrepository.subunit';
const LOGS = 'controller';

const backend = z.strictObject({
  name: text({
    check: (name) =>
      /^[A-Za-z][A-Za-z0-9_-]{0,62}$/.test(name)
        ? null
        : new FieldError('must be letters, digits, dashes and underscores, and begin with a letter'),
    about: "the back end's section in cinder.conf, and its volume_backend_name",
  }),
  type: optionalText({ about: "DevStack's type of back end, such as lvm, nfs or ceph; by default the name" }),
  driver: optionalText({ about: "the back end's volume_driver" }),
  options: mapping({
    kind: 'mapping of options',
    maxBytes: MAX_VARIABLES_BYTES,
    checkName: (name) =>
      /^\w+$/.test(name)
        ? null
        : new FieldError(`holds ${JSON.stringify(name)}, which is not the name of an option`),
    about:
      "further options of the section. No secrets: for a password, write '{{ NAME }}' and set NAME in a file of variableFiles",
  }),
});

const tempest = z.strictObject({
  regex: optionalText({ about: 'tests to run; without it, those of tox_envlist, by default smoke' }),
  exclude: optionalText({ about: 'regular expression of tests to leave out' }),
  concurrency: optionalInteger({
    min: 1,
    max: 100,
    about: 'tests at the same time; by default as many as OpenDev runs',
  }),
  plugins: texts({
    kind: 'list of projects',
    check: () => null,
    about: 'Tempest plugins, such as cinder-tempest-plugin',
  }),
});

const VARIABLES =
  "variables of the roles, such as the vars of a job in a project's .zuul.yaml; they override those of the preset";

export const presetKeys = {
  preset: optionalText({
    check: (name) => (name === NAME ? null : new FieldError(`is not known`, `write ${NAME}`)),
    about: `${NAME}: DevStack with the change, then Tempest; stacking, testing and logs need only what differs; \`sos-ci config show --expand JOB\` prints the expanded job`,
  }),
  backend: backend.optional(),
  tempest: tempest.optional(),
  variables: mapping({
    kind: 'mapping of variables',
    maxBytes: MAX_VARIABLES_BYTES,
    checkName: checkVariableName,
    about: `with a preset: ${VARIABLES}`,
  }),
  variableFiles: texts({
    kind: 'list of paths',
    check: () => null,
    about:
      'with a preset: files with variables of the roles, such as passwords; they are read on this host only',
  }),
};
export const presetSchema = z.strictObject(presetKeys);

type Backend = z.output<typeof backend>;
type Tempest = z.output<typeof tempest>;
type Variables = Readonly<Record<string, unknown>>;

/**
 * Merges the keys that the job has under stacking and testing into those of the preset; the job's keys win.
 *
 * @param preset its keys, checked
 * @param job all keys of the job, as they are written
 */
export function expandPreset(
  { backend, tempest, variables, variableFiles }: z.output<typeof presetSchema>,
  job: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const own = Object.fromEntries(Object.entries(job).filter(([key]) => !Object.hasOwn(presetKeys, key)));
  const shared = {
    variables: merge({ ...backendVariables(backend), ...tempestVariables(tempest) }, variables),
    ...(variableFiles.length === 0 ? {} : { variableFiles }),
  };
  const presetStages = {
    stacking: { playbook: 'sos_ci.openstack.stacking', timeout: STACKING_TIMEOUT, ...shared },
    testing: {
      playbook: 'sos_ci.openstack.testing',
      timeout: TESTING_TIMEOUT,
      ...shared,
      results: { format: 'subunit', file: RESULTS },
    },
  };
  const { stacking = {}, testing = {}, logs, ...rest } = own;
  return {
    ...rest,
    ...merge(presetStages, { stacking, testing }),
    logs: [LOGS, ...(Array.isArray(logs) ? logs : [])],
  };
}

function backendVariables(backend: Backend | undefined): Variables {
  if (backend === undefined) return {};
  const { name, type, driver, options } = backend;
  const section = {
    volume_backend_name: name,
    ...(driver === null ? {} : { volume_driver: driver }),
    ...options,
  };
  return {
    devstack_localrc: { CINDER_ENABLED_BACKENDS: `${type ?? name}:${name}` },
    devstack_local_conf: { 'post-config': { $CINDER_CONF: { [name]: section } } },
  };
}

function tempestVariables(tempest: Tempest | undefined): Variables {
  if (tempest === undefined) return {};
  const { regex, exclude, concurrency, plugins } = tempest;
  return {
    ...(regex === null ? {} : { tempest_test_regex: regex }),
    ...(exclude === null ? {} : { tempest_exclude_regex: exclude }),
    ...(concurrency === null ? {} : { tempest_concurrency: concurrency }),
    ...(plugins.length === 0 ? {} : { tempest_plugins: plugins }),
  };
}
