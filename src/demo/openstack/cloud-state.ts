/** The state of the embedded OpenStack: one user with one project, and all resources. Tests may read and change it. */
import { randomBytes, randomUUID } from 'node:crypto';
import { userInfo } from 'node:os';
import type { Guest } from './guest.ts';

export interface TokenRecord {
  readonly id: string;
  readonly expiresAt: number;
  readonly method: string;
}

export interface ImageRecord {
  readonly id: string;
  readonly name: string;
  status: string;
  /** The image property `os_admin_user`; null: not set. */
  adminUser: string | null;
  /** True: lists omit it. */
  hidden: boolean;
}

export interface FlavorRecord {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ram: number;
  readonly disk: number;
}

export interface NetworkRecord {
  readonly id: string;
  readonly name: string;
  readonly subnetId: string;
  /** The first three bytes of its addresses, with dots. */
  readonly prefix: string;
  readonly external: boolean;
}

export interface PortRecord {
  readonly id: string;
  name: string;
  description: string;
  readonly networkId: string;
  readonly address: string;
  deviceId: string;
  readonly tags: Set<string>;
  securityGroups: readonly string[];
  /** True: Nova created it and removes it with the server. */
  readonly ofNova: boolean;
  readonly projectId: string;
}

export interface FloatingRecord {
  readonly id: string;
  readonly address: string;
  readonly networkId: string;
  portId: string | null;
  description: string;
  readonly tags: Set<string>;
}

export interface SecurityGroupRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly tags: Set<string>;
  readonly rules: Record<string, unknown>[];
}

export interface KeyPairRecord {
  readonly name: string;
  readonly publicKey: string;
  readonly created: string;
}

export interface VolumeRecord {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly size: number;
  readonly imageId: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly created: string;
  status: string;
  serverId: string | null;
  deleteWithServer: boolean;
}

export interface ServerFault {
  readonly code: number;
  readonly message: string;
}

export interface ServerRecord {
  readonly id: string;
  readonly name: string;
  readonly created: string;
  readonly keyName: string | null;
  readonly imageId: string;
  readonly flavor: FlavorRecord;
  readonly metadata: Record<string, string>;
  readonly tags: Set<string>;
  readonly portIds: readonly string[];
  readonly userData: string | null;
  readonly configDrive: boolean;
  readonly availabilityZone: string;
  readonly schedulerHints: Readonly<Record<string, unknown>>;
  readonly securityGroups: readonly string[];
  readonly projectId: string;
  status: 'BUILD' | 'ACTIVE' | 'ERROR' | 'SHUTOFF' | 'DELETED';
  fault: ServerFault | null;
  deleting: boolean;
  /** Reads of the server since it was created, or since its deletion began. Each one advances its state. */
  reads: number;
  guest: Promise<Guest> | null;
  console: string;
}

export interface Quotas {
  instances: number;
  cores: number;
  ram: number;
  keyPairs: number;
  ports: number;
  floatingAddresses: number;
  securityGroups: number;
  volumes: number;
  gigabytes: number;
}

const QUOTAS: Quotas = {
  instances: 10,
  cores: 20,
  ram: 51_200,
  keyPairs: 100,
  ports: 500,
  floatingAddresses: 50,
  securityGroups: 10,
  volumes: 10,
  gigabytes: 1000,
};

export const CREDENTIALS = {
  username: 'ci',
  password: 'correct horse',
  userDomain: 'Default',
  project: 'lab',
  projectDomain: 'Default',
  region: 'RegionOne',
  applicationCredential: { id: 'c0ffee00c0ffee00c0ffee00c0ffee00', name: 'sos-ci', secret: 'battery staple' },
} as const;

export class CloudState {
  readonly userId = plainId();
  readonly projectId = plainId();
  readonly otherProjectId = plainId();
  readonly quotas: Quotas = { ...QUOTAS };
  readonly tokens = new Map<string, TokenRecord>();
  readonly images: ImageRecord[] = [];
  readonly flavors: FlavorRecord[] = [];
  readonly networks: NetworkRecord[] = [];
  readonly availabilityZones = ['nova'];
  readonly servers = new Map<string, ServerRecord>();
  readonly ports = new Map<string, PortRecord>();
  readonly floating = new Map<string, FloatingRecord>();
  readonly securityGroups = new Map<string, SecurityGroupRecord>();
  readonly keyPairs = new Map<string, KeyPairRecord>();
  readonly volumes = new Map<string, VolumeRecord>();
  /** False: the application credential was deleted. */
  applicationCredential = true;
  /** A server is in state BUILD for this many reads. */
  buildReads = 1;
  /** The longest page of a list. */
  maxPage = 1000;
  /** True: a port has no address until a server has it, as in a routed provider network. */
  deferAddresses = false;
  /** False: no router leads from a port to the external network. */
  hasRouter = true;
  #addresses = 0;
  #created = Date.now();

  constructor() {
    const [high, low] = [randomBytes(1).readUInt8(), randomBytes(1).readUInt8()];
    // Addresses of the loopback network, from a random block that other clouds on this host are unlikely to use.
    const network = (name: string, block: number, external: boolean): NetworkRecord => {
      const prefix = `127.${16 + (high % 200)}.${(low + block) % 256}`;
      return { id: randomUUID(), subnetId: randomUUID(), name, prefix, external };
    };
    this.networks.push(
      network('private', 0, false),
      network('storage', 1, false),
      network('public', 2, true),
    );
    const flavor = (name: string, vcpus: number, ram: number, disk: number): FlavorRecord => {
      return { id: String(this.flavors.length + 1), name, vcpus, ram, disk };
    };
    this.flavors.push(flavor('m1.small', 1, 2048, 20));
    this.flavors.push(flavor('m1.large', 4, 8192, 80));
    this.addImage('ubuntu-24.04', userInfo().username);
    this.addImage('debian-12', null);
    this.addSecurityGroup('default', 'Default security group');
  }

  addImage(name: string, adminUser: string | null): ImageRecord {
    const image: ImageRecord = { id: randomUUID(), name, status: 'active', adminUser, hidden: false };
    this.images.push(image);
    return image;
  }

  addSecurityGroup(name: string, description: string): SecurityGroupRecord {
    const group = { id: randomUUID(), name, description, tags: new Set<string>(), rules: [] };
    this.securityGroups.set(group.id, group);
    return group;
  }

  addPort(
    network: NetworkRecord,
    fields: Partial<Pick<PortRecord, 'name' | 'description' | 'deviceId' | 'ofNova' | 'securityGroups'>>,
  ): PortRecord {
    const port: PortRecord = {
      id: randomUUID(),
      name: '',
      description: '',
      deviceId: '',
      ofNova: false,
      securityGroups: [],
      ...fields,
      networkId: network.id,
      address: this.nextAddress(network),
      tags: new Set(),
      projectId: this.projectId,
    };
    this.ports.set(port.id, port);
    return port;
  }

  nextAddress(network: NetworkRecord): string {
    const taken = new Set([...this.ports.values(), ...this.floating.values()].map(({ address }) => address));
    for (;;) {
      this.#addresses += 1;
      const address = `${network.prefix}.${2 + (this.#addresses % 250)}`;
      if (!taken.has(address)) return address;
    }
  }

  /** Returns a different time on each call, so that the order of lists is defined. */
  nextTime(): string {
    this.#created = Math.max(this.#created + 1000, Date.now());
    return new Date(this.#created).toISOString().replace(/\.\d+Z$/, 'Z');
  }
}

/** An id in Keystone's form. */
export function plainId(): string {
  return randomUUID().replaceAll('-', '');
}
