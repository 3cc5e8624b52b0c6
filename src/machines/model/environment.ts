/** What a job ran on and with. Its texts come from outside: they are bounded and hold no secrets. Null: unknown. */
import type { Server } from './domain.ts';

/** An image or a flavor of a cloud. */
export interface CloudObject {
  readonly id: string;
  readonly name: string;
}

/** What a server says about itself. */
export interface NodeSystem {
  /** PRETTY_NAME of os-release. */
  readonly os: string | null;
  /** Release and architecture. */
  readonly kernel: string | null;
  readonly cpus: number | null;
  readonly memoryBytes: number | null;
}

/** A server, as its provider describes it. */
export interface ServerFacts {
  /** The provider's type. */
  readonly type: string;
  /** As booted; null also for a provider without images or flavors. */
  readonly image: CloudObject | null;
  readonly flavor: CloudObject | null;
  readonly system: NodeSystem | null;
}

/** What a stage reports about itself. Absent: it says nothing. */
export interface StageFacts {
  /** The version of Ansible that ran it. */
  readonly ansible?: string;
  /** DevStack's commit, SHA-1. */
  readonly devstack?: string;
  /** The version of Tempest. */
  readonly tempest?: string;
  /** The caching proxy of the job answered. */
  readonly proxy?: boolean;
  /** Files were copied from a preseed directory. */
  readonly preseed?: boolean;
}

export interface Environment {
  readonly server: Server;
  /** Null: the provider did not answer. */
  readonly facts: ServerFacts | null;
  /** Of both stages. */
  readonly stages: StageFacts;
}

/** In one line. */
export function environmentText({ server, facts }: Environment): string {
  const { image = null, flavor = null, system = null } = facts ?? {};
  const texts = [
    server.name,
    image?.name,
    flavor?.name,
    system?.os,
    system?.kernel,
    ...(system === null ? [] : [processorsText(system), memoryText(system)]),
  ];
  return texts.filter((text) => text !== undefined && text !== null && text !== '').join(', ');
}

export function processorsText({ cpus }: NodeSystem): string {
  return cpus === null ? '' : `${cpus} ${cpus === 1 ? 'CPU' : 'CPUs'}`;
}

export function memoryText({ memoryBytes }: NodeSystem): string {
  return memoryBytes === null ? '' : `${(memoryBytes / 1024 ** 3).toFixed(1)} GiB of memory`;
}
