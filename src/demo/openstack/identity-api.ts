/** Keystone v3 of the embedded OpenStack: tokens by password, token and application credential, and the catalogue. */
import { type CloudState, CREDENTIALS, plainId, type TokenRecord } from './cloud-state.ts';
import { type ApiCall, type ApiReply, identityError, members, type ServiceName, textOf } from './reply.ts';

const REQUIRED = 'The request you have made requires authentication.';

export interface IdentityOptions {
  readonly tokenLifetimeMs: number;
  /** The catalogue's URL of each service. */
  readonly endpoints: () => readonly CatalogueEntry[];
}

export interface CatalogueEntry {
  readonly type: string;
  readonly name: string;
  readonly service: ServiceName;
  readonly url: string;
  readonly interfaces: readonly string[];
}

export function answerIdentity(state: CloudState, options: IdentityOptions, call: ApiCall): ApiReply {
  const { method, path } = call;
  if (path === 'auth/tokens' && method === 'POST') return issueToken(state, options, members(call.body));
  const token = validToken(state, call.headers['x-auth-token']);
  if (token === null) throw unauthorized();
  if (path === 'auth/tokens' && method === 'DELETE') {
    state.tokens.delete(call.headers['x-subject-token'] ?? '');
    return { status: 204 };
  }
  if (path === 'auth/catalog' && method === 'GET')
    return { status: 200, body: { catalog: catalogue(options) } };
  throw identityError(404, 'Not Found', 'The resource could not be found.');
}

/** The token as Keystone sees it; null: unknown or expired. */
export function validToken(state: CloudState, id: string | undefined): TokenRecord | null {
  const token = state.tokens.get(id ?? '');
  return token === undefined || token.expiresAt <= Date.now() ? null : token;
}

export function unauthorized(): Error {
  return identityError(401, 'Unauthorized', REQUIRED);
}

function notFoundCredential(id: string): Error {
  return identityError(404, 'Not Found', `Could not find Application Credential: ${id}.`);
}

function issueToken(
  state: CloudState,
  options: IdentityOptions,
  body: Readonly<Record<string, unknown>>,
): ApiReply {
  const auth = members(body.auth);
  const identity = members(auth.identity);
  const methods = Array.isArray(identity.methods) ? identity.methods : [];
  const method = textOf(methods[0]);
  if (methods.length !== 1 || method === null) {
    throw identityError(400, 'Bad Request', "'methods' is a required property");
  }
  if (!accepts(state, method, members(identity[method]), auth.scope)) throw unauthorized();
  const scoped = auth.scope !== 'unscoped';
  const now = Date.now();
  const token: TokenRecord = {
    id: `gAAAAA${plainId()}${plainId()}`,
    expiresAt: now + options.tokenLifetimeMs,
    method,
  };
  state.tokens.set(token.id, token);
  const domain = { id: 'default', name: 'Default' };
  return {
    status: 201,
    headers: { 'x-subject-token': token.id, vary: 'X-Auth-Token' },
    body: {
      token: {
        methods: [method],
        user: { domain, id: state.userId, name: CREDENTIALS.username, password_expires_at: null },
        audit_ids: [plainId()],
        expires_at: keystoneTime(token.expiresAt),
        issued_at: keystoneTime(now),
        ...(scoped
          ? {
              project: { domain, id: state.projectId, name: CREDENTIALS.project },
              is_domain: false,
              roles: [
                { id: plainId(), name: 'member' },
                { id: plainId(), name: 'reader' },
              ],
              catalog: catalogue(options),
            }
          : {}),
      },
    },
  };
}

function accepts(
  state: CloudState,
  method: string,
  proof: Readonly<Record<string, unknown>>,
  scope: unknown,
): boolean {
  switch (method) {
    case 'password':
      return isUser(state, members(proof.user), true) && isScope(state, scope);
    case 'token':
      return validToken(state, textOf(proof.id) ?? undefined) !== null && isScope(state, scope);
    case 'application_credential': {
      // The credential has a project, so naming one is an error, even the same one.
      const { id, name, secret } = CREDENTIALS.applicationCredential;
      const named = proof.name === name && isUser(state, members(proof.user), false);
      const known = proof.id === id || named;
      if (known && !state.applicationCredential) throw notFoundCredential(id);
      return known && proof.secret === secret && scope === undefined;
    }
    default:
      return false;
  }
}

function isUser(state: CloudState, user: Readonly<Record<string, unknown>>, withPassword: boolean): boolean {
  const named = user.name === CREDENTIALS.username && isDomain(user.domain, CREDENTIALS.userDomain);
  const password = !withPassword || user.password === CREDENTIALS.password;
  return password && (user.id === state.userId || named);
}

function isScope(state: CloudState, scope: unknown): boolean {
  if (scope === undefined || scope === 'unscoped') return true;
  const project = members(members(scope).project);
  if (project.id === state.projectId) return true;
  return project.name === CREDENTIALS.project && isDomain(project.domain, CREDENTIALS.projectDomain);
}

function isDomain(domain: unknown, name: string): boolean {
  const { id, name: named } = members(domain);
  return id === name.toLowerCase() || named === name;
}

function catalogue({ endpoints }: IdentityOptions): readonly unknown[] {
  return endpoints().map(({ type, name, url, interfaces }) => ({
    id: plainId(),
    type,
    name,
    endpoints: interfaces.map((kind) => ({
      id: plainId(),
      interface: kind,
      region: CREDENTIALS.region,
      region_id: CREDENTIALS.region,
      url,
    })),
  }));
}

/** Keystone writes microseconds. */
function keystoneTime(at: number): string {
  return new Date(at).toISOString().replace('Z', '000Z');
}
