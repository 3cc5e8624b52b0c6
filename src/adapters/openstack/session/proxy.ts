/**
 * The HTTP proxy of a request, from `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, and connections through
 * it. TLS goes through the proxy end to end: the proxy sees only the host's name.
 */
import * as http from 'node:http';
import * as https from 'node:https';
import { BlockList, isIP, isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { credentialsError, type Environment } from './fields.ts';

/** Timeout for the answer to CONNECT, so that an aborted request leaves no connection to a silent proxy. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The proxy for a URL; null: a direct connection. @throws OperationError when the variable contains no usable URL */
export function proxyFor(url: URL, environment: Environment): URL | null {
  const variable = [`${url.protocol.slice(0, -1)}_proxy`, 'all_proxy']
    .flatMap((name) => [name, name.toUpperCase()])
    .find((name) => environment[name]);
  if (variable === undefined) return null;
  if (isExcluded(url, environment.no_proxy || environment.NO_PROXY || '')) return null;
  const value = environment[variable] ?? '';
  const text = value.includes('://') ? value : `http://${value}`;
  const proxy = URL.canParse(text) ? new URL(text) : null;
  if (proxy?.protocol !== 'http:') {
    throw credentialsError(
      variable,
      'is not an http:// URL of a proxy',
      'set it to http://HOST:PORT, or unset it',
    );
  }
  try {
    authorization(proxy);
    return proxy;
  } catch {
    throw credentialsError(variable, 'has a % in its login that encodes nothing', 'write % as %25');
  }
}

/** `no_proxy` is a list of names with their subdomains, of addresses and networks, or `*`. */
function isExcluded({ hostname, port }: URL, list: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => {
      if (entry === '') return false;
      if (entry === '*' || entry === host || entry === `${host}:${port}`) return true;
      if (isIP(host) !== 0) return isInNetwork(host, entry);
      const domain = entry.replace(/^\*?\./, '').replace(/:\d+$/, '');
      const samePort = !/:\d+$/.test(entry) || entry.endsWith(`:${port}`);
      return samePort && (host === domain || host.endsWith(`.${domain}`));
    });
}

function isInNetwork(address: string, entry: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  if (isIP(network) === 0 || !/^\d{1,3}$/.test(bits)) return false;
  const family = isIPv6(network) ? 'ipv6' : 'ipv4';
  if (Number(bits) > (family === 'ipv6' ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family);
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** The options of a plain HTTP request through a proxy, which gets the whole URL. */
export function throughProxy(url: URL, proxy: URL): https.RequestOptions {
  return {
    host: proxy.hostname,
    port: proxy.port || 80,
    path: url.href,
    headers: { host: url.host, ...authorization(proxy) },
  };
}

/** Connects to HTTPS hosts through a proxy's CONNECT. */
export class TunnelAgent extends https.Agent {
  readonly #proxy: URL;

  constructor(proxy: URL, options: https.AgentOptions) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(
    options: https.RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const { host = '', port = 443 } = options;
    const target = `${isIPv6(String(host)) ? `[${host}]` : host}:${port}`;
    const fail = (error: Error): void => callback?.(error, undefined as unknown as Duplex);
    const request = http.request({
      host: this.#proxy.hostname,
      port: this.#proxy.port || 80,
      method: 'CONNECT',
      path: target,
      headers: { host: target, ...authorization(this.#proxy) },
      agent: false,
      timeout: ANSWER_TIMEOUT_MS,
    });
    request.once('error', fail);
    request.once('timeout', () =>
      request.destroy(new Error(`the proxy ${this.#proxy.host} does not answer`)),
    );
    request.once('connect', ({ statusCode }, socket: Socket) => {
      request.off('error', fail);
      if (statusCode === 200) callback?.(null, connectTls({ ...options, socket, path: undefined } as never));
      else {
        socket.destroy();
        fail(new Error(`the proxy ${this.#proxy.host} refuses to connect to ${target}: ${statusCode}`));
      }
    });
    request.end();
    return undefined;
  }
}

function authorization({ username, password }: URL): Readonly<Record<string, string>> {
  if (username === '') return {};
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}
