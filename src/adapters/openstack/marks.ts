/**
 * The mark that each of our resources gets in the call that creates it: deployment, job, attempt and server name, as
 * one string. It is in the metadata of servers and volumes, in the description of ports and floating IPs, and in
 * the name of key pairs. A resource without our deployment's mark is never changed or deleted.
 */
import type { Ownership } from '../../machines/model/domain.ts';
import type { CloudObject } from '../../machines/model/environment.ts';

export interface Mark extends Ownership {
  /** The server's name. All resources that are created for one server have it. */
  readonly name: string;
}

/** The metadata key of the mark. */
export const MARK_KEY = 'sos-ci';
/** The metadata key of a ready server; its value is `USER@HOST`. A server without it was never used. */
export const LOGIN_KEY = 'sos-ci-login';
/** The metadata key of the provider that created the server; its value is the provider's name. */
export const PROVIDER_KEY = 'sos-ci-provider';
/** The metadata keys of the image and the flavor as booted; their values are `ID NAME`. */
export const IMAGE_KEY = 'sos-ci-image';
export const FLAVOR_KEY = 'sos-ci-flavor';
/** Nova's limit for a value, in characters. */
const MAX_VALUE_LENGTH = 255;

const FORM = /^sos-ci ([A-Za-z0-9][A-Za-z0-9._-]{0,63}) (\S{1,100}) (\d{1,7}) (\S{1,100})$/;
/** Nova's limit, in characters. */
const MAX_TAG_LENGTH = 60;

export function markText({ deployment, job, attempt, name }: Mark): string {
  return `sos-ci ${deployment} ${job} ${attempt} ${name}`;
}

/** Null: the text is not a mark. */
export function parseMark(text: string | null | undefined): Mark | null {
  const [, deployment = '', job = '', attempt = '', name = ''] = FORM.exec(text ?? '') ?? [];
  return deployment === '' ? null : { deployment, job, attempt: Number(attempt), name };
}

/** Cuts a long name. Not every database below Nova stores characters outside the Basic Multilingual Plane. */
export function objectText({ id, name }: CloudObject): string {
  return `${id} ${name}`.replaceAll(/[^\x20-\ud7ff\ue000-\ufffd]/gu, '?').slice(0, MAX_VALUE_LENGTH);
}

export function parseObject(text: string | undefined): CloudObject | null {
  const [, id = '', name = ''] = /^(\S+) (.*)$/s.exec((text ?? '').slice(0, MAX_VALUE_LENGTH)) ?? [];
  return id === '' ? null : { id, name };
}

/**
 * The mark as the name of a key pair. Nova allows no dots there, so the dots of the deployment become spaces. Neither
 * deployments nor the other parts contain spaces, so two different marks never have the same name.
 */
export function keyPairName(mark: Mark): string {
  return markText({ ...mark, deployment: mark.deployment.replaceAll('.', ' ') });
}

/** The mark of a key pair of this deployment; null: it is not ours. */
export function parseKeyPairName(name: string, deployment: string): Mark | null {
  const start = `sos-ci ${deployment.replaceAll('.', ' ')} `;
  return name.startsWith(start) ? parseMark(`sos-ci ${deployment} ${name.slice(start.length)}`) : null;
}

/**
 * The tag by which Nova filters servers. Long deployments are cut, so the tag only narrows a list; the metadata
 * decides.
 */
export function serverTag(deployment: string): string {
  return `sos-ci:${deployment}`.slice(0, MAX_TAG_LENGTH);
}
