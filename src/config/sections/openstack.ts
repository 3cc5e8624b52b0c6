/** The keys of a provider of type openstack, besides those that all providers with servers have. */
import { FieldError } from '../fields/field-error.ts';
import { flag, mapping, optionalInteger, optionalText, text, textOrTexts, texts } from '../fields/fields.ts';
import { resourceName } from '../fields/validators.ts';

const MAX_HINTS_BYTES = 4 * 1024;

function hintName(value: string): FieldError | null {
  return /^[A-Za-z_:][A-Za-z0-9_:.-]{0,63}$/.test(value)
    ? null
    : new FieldError('is not the name of a scheduler hint');
}

function resource(about: string) {
  return text({ kind: 'name or id', check: resourceName, about });
}

export const openStackKeys = {
  cloud: optionalText({
    kind: 'name',
    check: resourceName,
    about:
      'the cloud of clouds.yaml; if neither it nor openrc is set, OS_CLOUD or the OS_ variables of the daemon are used',
  }),
  openrc: optionalText({
    kind: 'path',
    about: 'openrc file to use instead of clouds.yaml; read, never executed',
  }),
  image: resource('the image, by name or id'),
  flavor: resource('the flavor, by name or id'),
  networks: textOrTexts({
    kind: 'list of names or ids',
    check: resourceName,
    about: 'the networks, by name or id; the server gets an address in each, and the first is for the login',
  }),
  floatingNetwork: optionalText({
    kind: 'name or id',
    check: resourceName,
    about: 'the external network from which a floating IP is taken for the login',
  }),
  securityGroups: texts({
    kind: 'list of names or ids',
    check: resourceName,
    about: "the security groups of the server's ports; without any, the default one of the project",
  }),
  availabilityZone: optionalText({ kind: 'name', check: resourceName, about: "the server's zone" }),
  schedulerHints: mapping({
    kind: 'mapping of hints',
    maxBytes: MAX_HINTS_BYTES,
    checkName: hintName,
    about: "hints for Nova's scheduler, such as {group: ID of a server group}",
  }),
  keyPair: optionalText({
    kind: 'name',
    check: resourceName,
    about:
      'key pair of the cloud user for the public half of ssh.key; by default one is created for each server',
  }),
  configDrive: flag({
    default: false,
    about: 'give cloud-init its data on a disk, for networks without metadata service',
  }),
  userData: optionalText({ kind: 'path', about: 'file for cloud-init, of at most 48 KiB' }),
  bootVolume: optionalInteger({
    min: 1,
    max: 10_000,
    about:
      "boot from a new volume of this many GiB, which is deleted with the server, instead of the flavor's disk",
  }),
};
