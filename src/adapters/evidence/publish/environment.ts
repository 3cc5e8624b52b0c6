/** What the job ran on and with, as a part of its page. */
import { isAbsolute } from 'node:path';
import {
  type CloudObject,
  type Environment,
  memoryText,
  processorsText,
} from '../../../machines/model/environment.ts';
import { logPagePath } from './log-page.ts';
import type { Manifest } from './manifest.ts';
import { html, link } from './page.ts';

/** The job's configuration in the evidence. */
export const CONFIGURATION = 'configuration.json';

export function* environmentSection({ environment, publishedBy, files, pages }: Manifest): Generator<string> {
  const rows = [
    ...(environment === null ? [] : serverRows(environment)),
    ...(environment === null ? [] : stageRows(environment)),
    ...(publishedBy === null ? [] : [['sos-ci', publishedBy]]),
  ].filter(([, value]) => value !== '');
  const page = logPagePath(CONFIGURATION);
  const hasPage = pages.some(({ path }) => path === page);
  const hasConfiguration = files.some(({ path }) => path === CONFIGURATION);
  if (rows.length === 0 && !hasConfiguration) return;
  yield `<h2>Environment</h2>\n<dl>\n`;
  for (const [name, value = ''] of rows) yield `<dt>${name}</dt><dd>${html(value)}</dd>\n`;
  if (hasConfiguration)
    yield `<dt>Configuration</dt><dd>${link(hasPage ? page : CONFIGURATION, CONFIGURATION)}</dd>\n`;
  yield `</dl>\n`;
}

type Row = readonly [name: string, value: string];

function serverRows({ server, facts }: Environment): readonly Row[] {
  const { image = null, flavor = null, system = null } = facts ?? {};
  const provider = facts === null ? server.provider : `${server.provider} (${facts.type})`;
  return [
    ['Provider', provider],
    ['Server', server.id === server.name ? server.name : `${server.name}, ${server.id}`],
    // A directory of this host says nothing to readers.
    ['Address', isAbsolute(server.address) ? '' : server.address],
    ['Image', objectText(image)],
    ['Flavor', objectText(flavor)],
    ['System', [system?.os, system?.kernel].filter((text) => text != null).join(', ')],
    ['Size', system === null ? '' : joined([processorsText(system), memoryText(system)])],
  ];
}

function stageRows({ stages }: Environment): readonly Row[] {
  const { ansible = '', devstack = '', tempest = '', proxy = false, preseed = false } = stages;
  return [
    ['Ansible', ansible],
    ['DevStack', devstack],
    ['Tempest', tempest],
    ['Stacked with', joined([proxy ? 'a caching proxy' : '', preseed ? 'preseeded files' : ''])],
  ];
}

function objectText(object: CloudObject | null): string {
  return object === null ? '' : `${object.name}, ${object.id}`;
}

function joined(texts: readonly string[]): string {
  return texts.filter((text) => text !== '').join(', ');
}
