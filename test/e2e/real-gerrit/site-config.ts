/** Writes gerrit.config of a test site with `git config`, because it has git's format. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { gitEnvironment } from '../../../src/demo/gerrit/repository.ts';

export interface SiteAddress {
  readonly host: string;
  readonly sshPort: number;
  /** URL of the web pages. */
  readonly url: string;
}

export async function configureSite(site: string, { host, sshPort, url }: SiteAddress): Promise<void> {
  await setInSite(site, {
    'gerrit.canonicalWebUrl': `${url}/`,
    'httpd.listenUrl': `${url}/`,
    'sshd.listenAddress': `${host}:${sshPort}`,
    'sshd.idleTimeout': '0',
    'sshd.threads': '8',
    'sendemail.enable': 'false',
    'change.enableAttentionSet': 'false',
  });
}

/** Writes settings of gerrit.config, by name. */
export async function setInSite(site: string, settings: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    await setting(path.join(site, 'etc', 'gerrit.config'), name, value);
  }
}

function setting(file: string, name: string, value: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile('git', ['config', '-f', file, name, value], { env: gitEnvironment() }, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
}
