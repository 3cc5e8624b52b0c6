/** The session of an OpenStack project, with the credentials that the configuration or the environment names. */
import { systemClock } from '../adapters/clock/system.ts';
import { KeystoneSession } from '../adapters/openstack/session/cloud-session.ts';
import { type CredentialSource, readCredentials } from '../adapters/openstack/session/credentials.ts';
import type { CloudSession } from '../adapters/openstack/session/session.ts';
import type { OpenStackProviderConfig } from '../config/config.ts';

/** Where the credentials are: in a provider, or in `logs.swift`. */
type Account = Pick<OpenStackProviderConfig, 'cloud' | 'openrcFile'>;

export function openStackSession(account: Account): CloudSession {
  return new KeystoneSession(() => readCredentials(sourceOf(account)), systemClock);
}

/** @throws OperationError if the cloud or file is missing or its credentials cannot be used */
export function checkCredentials(source: CredentialSource): void {
  readCredentials(source);
}

/** Uses OS_AUTH_URL only when neither the configuration nor OS_CLOUD names a cloud. */
function sourceOf({ cloud, openrcFile }: Account): CredentialSource {
  if (openrcFile !== null) return { openrc: openrcFile };
  const { OS_CLOUD: chosen, OS_AUTH_URL: authUrl } = process.env;
  return cloud === null && chosen === undefined && authUrl !== undefined ? { environment: true } : { cloud };
}
