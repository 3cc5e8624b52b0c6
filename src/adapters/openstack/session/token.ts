/** Keystone's answer to a login: the token, its lifetime, its scope, and the catalogue of services. */
import { z } from 'zod';

const TOKEN = z.object({
  token: z.object({
    issued_at: z.string(),
    expires_at: z.string().nullable(),
    project: z
      .object({ id: z.string(), name: z.string(), domain: z.object({ name: z.string() }).optional() })
      .optional(),
    user: z.object({ id: z.string(), name: z.string().default('') }),
    catalog: z
      .array(
        z.object({
          type: z.string(),
          endpoints: z
            .array(
              z.object({
                interface: z.string(),
                region: z.string().nullish(),
                region_id: z.string().nullish(),
                url: z.string(),
              }),
            )
            .default([]),
        }),
      )
      .default([]),
  }),
});

export interface Endpoint {
  readonly type: string;
  readonly interface: string;
  readonly region: string | null;
  readonly url: string;
}

export interface Token {
  readonly value: string;
  /** Time between issue and end, by the server's clock; null: it does not expire. */
  readonly lifetimeMs: number | null;
  readonly projectId: string | null;
  readonly projectName: string | null;
  /** The domain of the project. */
  readonly domainName: string | null;
  readonly userId: string;
  readonly userName: string;
  readonly endpoints: readonly Endpoint[];
}

/** Null when it is not an answer of Keystone. */
export function parseToken(value: string, body: unknown): Token | null {
  const parsed = TOKEN.safeParse(body);
  if (!parsed.success || value === '') return null;
  const { token } = parsed.data;
  const lifetimeMs =
    token.expires_at === null ? null : Date.parse(token.expires_at) - Date.parse(token.issued_at);
  return {
    value,
    lifetimeMs: lifetimeMs === null || Number.isNaN(lifetimeMs) ? null : lifetimeMs,
    projectId: token.project?.id ?? null,
    projectName: token.project?.name ?? null,
    domainName: token.project?.domain?.name ?? null,
    userId: token.user.id,
    userName: token.user.name,
    endpoints: token.catalog.flatMap(({ type, endpoints }) =>
      endpoints.map((endpoint) => ({
        type,
        interface: endpoint.interface,
        region: endpoint.region_id ?? endpoint.region ?? null,
        url: endpoint.url,
      })),
    ),
  };
}
