/** Twenty resources in the project that look like ours but are not: every case must leave them untouched. */
import type { Cloud } from './cloud.ts';

const NAMES = ['sos-ci-01kfa7xw2m6v-1', 'sos-ci-01kfa7xw2m6v-2', 'sos-ci', 'sos-ci-01kfa7xw2m6v-3'];
/** With another deployment, without a deployment, in upper case, and incomplete. */
const MARKS = [
  'sos-ci other 01kfa7xw2m6v 1',
  'sos-ci  01kfa7xw2m6v 1',
  'SOS-CI default 01kfa7xw2m6v 1',
  'sos-ci default',
];

/** Of each kind. */
export const LOOK_ALIKES_OF_EACH_KIND = NAMES.length;

interface Found {
  readonly id: string;
  readonly name: string;
}

export class LookAlikes {
  readonly #cloud: Cloud;
  readonly #before: readonly string[];

  private constructor(cloud: Cloud, before: readonly string[]) {
    this.#cloud = cloud;
    this.#before = before;
  }

  static async make(cloud: Cloud): Promise<LookAlikes> {
    await cloud.clear();
    const find = async (service: 'compute' | 'network' | 'image', path: string, name: string) => {
      const { [path.split('/')[0] ?? '']: all } = await cloud.call(service, 'GET', path);
      const found = (all as readonly Found[]).find((resource) => resource.name === name);
      if (found === undefined) throw new Error(`the cloud has no ${name}`);
      return found.id;
    };
    const network = await find('network', 'networks', 'private');
    const external = await find('network', 'networks', 'public');
    const image = await find('image', 'images', 'debian-12');
    const flavor = await find('compute', 'flavors', 'small');
    for (const [index, name] of NAMES.entries()) {
      const mark = `${MARKS[index]} ${name}`;
      const metadata = { 'sos-ci': mark };
      await cloud.call('network', 'POST', 'ports', {
        port: { network_id: network, name, description: mark },
      });
      const floatingip = { floating_network_id: external, description: mark };
      await cloud.call('network', 'POST', 'floatingips', { floatingip });
      await cloud.call('volume', 'POST', 'volumes', { volume: { name, size: 1, metadata } });
      await cloud.call('compute', 'POST', 'os-keypairs', { keypair: { name: mark } });
      const server = {
        name,
        imageRef: image,
        flavorRef: flavor,
        networks: 'none',
        metadata,
        tags: ['sos-ci:default'],
      };
      await cloud.call('compute', 'POST', 'servers', { server });
    }
    return new LookAlikes(cloud, await cloud.resourceLines());
  }

  /** Other resources that remain in the project, and look-alikes that no longer exist. */
  async differences(): Promise<readonly string[]> {
    const now = await this.#cloud.resourceLines();
    return [
      ...now.filter((line) => !this.#before.includes(line)).map((line) => `left: ${line}`),
      ...this.#before.filter((line) => !now.includes(line)).map((line) => `missing: ${line}`),
    ];
  }
}
