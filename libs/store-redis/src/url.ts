/**
 * The store's URL: where Redis is, how to get in, and what to call it without its credentials.
 *
 *     redis://[user:password@]host[:6379][/database]
 *     redis-cluster://[user:password@]host[:6379],host[:6379],…
 *     redis-sentinel://[user:password@]host[:26379],host[:26379],…/primary[/database]
 *
 * `rediss`, `rediss-cluster` and `rediss-sentinel` speak TLS and verify the server's certificate, against the system's
 * authorities or those of `?ca=FILE`. `?sentinelPassword=` is the sentinels' own. User and password are percent-encoded.
 */
import { readFileSync } from 'node:fs';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Target {
  readonly kind: 'redis' | 'redis-cluster' | 'redis-sentinel';
  readonly addresses: readonly Address[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  /** Name that the sentinels have for the primary. */
  readonly primary: string | undefined;
  readonly sentinelPassword: string | undefined;
  /** `ca`: PEM text of the authorities to trust instead of the system's. */
  readonly tls: { readonly ca?: string } | undefined;
  /** The URL without user, password and parameters. */
  readonly place: string;
}

const shape = /^(rediss?)(-cluster|-sentinel)?:\/\/([^/?#]*)([^?#]*)(?:\?([^#]*))?$/;
const hostRule = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/;
const primaryRule = /^[A-Za-z0-9._-]{1,128}$/;
const parametersKnown = new Set(['ca', 'sentinelPassword']);

/** Throws a `RangeError` with one sentence that says what is wrong; it never repeats user, password or parameters. */
export function targetOf(url: string): Target {
  const parts = shape.exec(url);
  if (!parts) {
    throw wrong('expected redis://, rediss://, redis-cluster:// or redis-sentinel:// and host:port');
  }
  const [, scheme, suffix = '', authority = '', path = '', query = ''] = parts;
  const kind = `redis${suffix}` as Target['kind'];
  const at = authority.lastIndexOf('@');
  const { username, password } = credentialsOf(at < 0 ? '' : authority.slice(0, at));
  const hosts = authority.slice(at + 1);
  const addresses = hosts.split(',').map((each) => addressOf(each, kind));
  if (kind === 'redis' && addresses.length > 1) {
    throw wrong('redis:// takes one host; several belong to redis-cluster:// or redis-sentinel://');
  }
  const { primary, database } = pathOf(kind, path.split('/').slice(1));
  const parameters = parametersOf(query, scheme === 'rediss', kind);
  return {
    kind,
    addresses,
    username,
    password,
    database,
    primary,
    sentinelPassword: parameters.get('sentinelPassword') ?? undefined,
    tls: scheme === 'rediss' ? authorities(parameters.get('ca') ?? undefined) : undefined,
    place: `${scheme}${suffix}://${hosts}${path}`,
  };
}

function wrong(what: string): RangeError {
  return new RangeError(`the store's URL is not valid: ${what}`);
}

function credentialsOf(text: string): Pick<Target, 'username' | 'password'> {
  const colon = text.indexOf(':');
  const username = decode(colon < 0 ? text : text.slice(0, colon)) || undefined;
  const password = colon < 0 ? undefined : decode(text.slice(colon + 1)) || undefined;
  if (username !== undefined && password === undefined) {
    throw wrong('it names a user without a password; a password alone is written as :password@');
  }
  return { username, password };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw wrong('user and password must be percent-encoded');
  }
}

function addressOf(text: string, kind: Target['kind']): Address {
  const parts = hostRule.exec(text);
  if (!parts) throw wrong(`${JSON.stringify(text)} is not host:port`);
  const port = parts[3] === undefined ? (kind === 'redis-sentinel' ? 26_379 : 6_379) : Number(parts[3]);
  if (port < 1 || port > 65_535) throw wrong(`port ${port} is not between 1 and 65535`);
  return { host: (parts[1] ?? parts[2])!, port };
}

function pathOf(kind: Target['kind'], segments: readonly string[]): Pick<Target, 'primary' | 'database'> {
  const rest = segments.at(-1) === '' ? segments.slice(0, -1) : [...segments];
  let primary: string | undefined;
  if (kind === 'redis-sentinel') {
    primary = rest.shift();
    if (primary === undefined || !primaryRule.test(primary)) {
      throw wrong('redis-sentinel:// needs the name of the primary: redis-sentinel://host:port/name');
    }
  }
  const database = rest.shift() ?? '0';
  if (!/^\d{1,5}$/.test(database) || rest.length) {
    throw wrong(`path ${JSON.stringify(segments.join('/'))}: expected the number of a database`);
  }
  if (kind === 'redis-cluster' && database !== '0') throw wrong('a cluster has database 0 only');
  return { primary, database: Number(database) };
}

function parametersOf(query: string, tls: boolean, kind: Target['kind']): URLSearchParams {
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (!parametersKnown.has(name)) throw wrong(`parameter ${JSON.stringify(name)} is unknown`);
  }
  if (parameters.has('ca') && !tls) throw wrong('?ca= needs a rediss scheme');
  if (parameters.has('sentinelPassword') && kind !== 'redis-sentinel') {
    throw wrong('?sentinelPassword= needs redis-sentinel://');
  }
  return parameters;
}

function authorities(file: string | undefined): { ca?: string } {
  if (file === undefined) return {};
  try {
    return { ca: readFileSync(file, 'utf8') };
  } catch (error) {
    throw wrong(`the file of ?ca= cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}
