/**
 * Schemas for the answers of Nova, Neutron, Glance and Cinder, reduced to the fields that are used.
 */
import { z } from 'zod';
import type { Page } from './calls.ts';

const id = z.string().min(1).max(255);
const text = z.string();
const nullableText = z
  .string()
  .nullish()
  .transform((value) => value ?? '');
/** Cinder's times have no zone; all are UTC. Epoch ms; null: absent, or not a time. */
const time = z
  .string()
  .nullish()
  .transform((value) => {
    const at = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/.test(value ?? '') ? (value ?? '') : `${value ?? ''}Z`);
    return Number.isNaN(at) ? null : at;
  });
const metadata = z.record(z.string(), z.string()).default({});

const serverFields = z.object({
  id,
  name: nullableText,
  status: text.transform((status) => status.toUpperCase()),
  created: text.default(''),
  metadata,
  fault: z.object({ message: nullableText }).optional(),
});
export type NovaServer = z.output<typeof serverFields>;

const keyPair = z.object({ keypair: z.object({ name: text }) });

const portFields = z.object({
  id,
  description: nullableText,
  created_at: time,
  fixed_ips: z.array(z.object({ ip_address: text })).default([]),
});
export type Port = z.output<typeof portFields>;

const floatingFields = z.object({
  id,
  description: nullableText,
  created_at: time,
  floating_ip_address: text,
});
export type FloatingAddress = z.output<typeof floatingFields>;

const volumeFields = z.object({
  id,
  status: text,
  created_at: time,
  metadata,
});
export type Volume = z.output<typeof volumeFields>;

const ruleFields = z.object({
  direction: text,
  ethertype: nullableText,
  protocol: z.union([text, z.number()]).nullish(),
  port_range_min: z.number().nullish(),
  port_range_max: z.number().nullish(),
  remote_group_id: z.string().nullish(),
});
export type GroupRule = z.output<typeof ruleFields>;

const groupFields = z.object({
  id,
  name: nullableText,
  security_group_rules: z.array(ruleFields).default([]),
});

export type Group = z.output<typeof groupFields>;

const imageFields = z.object({
  id,
  name: nullableText,
  os_admin_user: z.string().nullish(),
});

const flavorFields = z.object({ id, name: text, vcpus: z.number(), ram: z.number() });

export type Flavor = z.output<typeof flavorFields>;

const networkFields = z.object({
  id,
  name: nullableText,
  port_security_enabled: z.boolean().default(true),
});

/** A list under one key, with a link to the next page under another. */
export function page<T>(key: string, item: z.ZodType<T>): z.ZodType<Page<T>> {
  const link = z.object({ rel: z.string() });
  return z
    .object({ [key]: z.array(item), [`${key}_links`]: z.array(link).nullish(), next: z.string().nullish() })
    .transform((answer): Page<T> => {
      const links = answer[`${key}_links`];
      const linked =
        Array.isArray(links) && links.some((entry) => (entry as { rel?: unknown }).rel === 'next');
      return { items: answer[key] as T[], more: linked || typeof answer.next === 'string' };
    });
}

export const SERVER = z.object({ server: serverFields });
export const SERVERS = page('servers', serverFields);
/** The answer to a create call contains little more than the id. */
export const CREATED_SERVER = z.object({ server: z.object({ id }) });
export const KEY_PAIR = keyPair;
export const KEY_PAIRS = page('keypairs', keyPair);
export const PORT = z.object({ port: portFields });
export const PORTS = page('ports', portFields);
export const FLOATING = z.object({ floatingip: floatingFields });
export const FLOATINGS = page('floatingips', floatingFields);
export const VOLUME = z.object({ volume: volumeFields });
export const VOLUMES = page('volumes', volumeFields);
export const GROUPS = page('security_groups', groupFields);
export const IMAGE = imageFields;
export const IMAGES = page('images', imageFields);
export const FLAVORS = page('flavors', flavorFields);
export const NETWORKS = page('networks', networkFields);
/** -1: no limit. */
const limit = z.number().default(-1);
const used = z.number().default(0);
export const COMPUTE_LIMITS = z.object({
  limits: z.object({
    absolute: z.object({
      maxTotalInstances: limit,
      maxTotalCores: limit,
      maxTotalRAMSize: limit,
      totalInstancesUsed: used,
      totalCoresUsed: used,
      totalRAMUsed: used,
    }),
  }),
});
export const VOLUME_LIMITS = z.object({
  limits: z.object({
    absolute: z.object({
      maxTotalVolumes: limit,
      maxTotalVolumeGigabytes: limit,
      totalVolumesUsed: used,
      totalGigabytesUsed: used,
    }),
  }),
});
const quota = z.object({ limit, used, reserved: used }).default({ limit: -1, used: 0, reserved: 0 });
export const NETWORK_QUOTA = z.object({ quota: z.object({ port: quota, floatingip: quota }) });
export const CONSOLE = z.object({ output: text });
export const METADATA = z.object({ metadata });
