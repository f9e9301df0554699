/** Where requests to endpoints may go: decided by address, when a subscription is written and at every connection. */
import { isIP, type LookupFunction } from 'node:net';
import { hostIn, type TlsIdentity } from '@gridpost/model';
import { contains, parseAddress, parseRange, type Range } from './address.js';
import { AddressNotAllowed } from './address-not-allowed.js';
import { type Connector, connectorWith, systemLookup } from './connector.js';
import { addressesIn, checkedLookup, sharedLookup } from './lookup.js';
import { isPublic, translated } from './special-purpose.js';
import { tunnelConnector } from './tunnel.js';

export interface EgressOptions {
  /** Ranges that are allowed beside the public Internet, such as `10.1.0.0/16`, or addresses. Default: none. */
  readonly allow?: readonly string[] | undefined;
  /** Hosts of which every address is allowed: `db.internal`, or `*.internal` for all below it. Default: none. */
  readonly allowHosts?: readonly string[] | undefined;
  /** `http` URL of a proxy that everything goes through; whether a name may be connected to is then its decision. */
  readonly proxy?: string | undefined;
  /** Default: `getaddrinfo`, as the system is set up. */
  readonly lookup?: LookupFunction;
}

/** Safe to share: holds no connections. */
export class Egress {
  readonly #allowed: readonly Range[];
  readonly #hosts: ReadonlySet<string>;
  readonly #proxy: URL | undefined;
  readonly #lookup: LookupFunction;

  /** Throws `RangeError` for what is no range, and `TypeError` for a proxy that is no URL. */
  constructor({ allow = [], allowHosts = [], proxy, lookup = systemLookup }: EgressOptions = {}) {
    this.#allowed = allow.map(rangeOf);
    this.#hosts = new Set(allowHosts.map(plainName));
    this.#proxy = proxy === undefined ? undefined : new URL(proxy);
    this.#lookup = sharedLookup(lookup);
  }

  /**
   * Connects to allowed addresses only. Of a name that has others as well, only the allowed ones are tried. Fails with
   * `AddressNotAllowed` before a packet is sent if there is none. `timeoutMs`: for name, TCP and TLS together. With a
   * `tls` that cannot be read each connection fails.
   */
  connector(timeoutMs: number, tls?: TlsIdentity): Connector {
    const lookup = checkedLookup(this.#lookup, (host, address) => this.#allows(host, address));
    const direct = connectorWith(timeoutMs, lookup, tls);
    const connect = this.#proxy ? tunnelConnector(this.#proxy, timeoutMs, direct) : direct;
    return (options, callback) => {
      const { hostname } = options;
      const address = this.#addressIn(hostname);
      if (address === undefined || this.#allows(hostname, address)) return connect(options, callback);
      queueMicrotask(() => callback(new AddressNotAllowed(), null));
    };
  }

  /**
   * Whether the URL's host can be connected to, as far as that can be told now: false where it is an address that is not
   * allowed, or a name of which no address is. True for a name that does not resolve; it may later, and is checked then.
   * Takes as long as the resolver does.
   */
  async allows(url: string): Promise<boolean> {
    const host = hostIn(new URL(url));
    const address = this.#addressIn(host);
    if (address !== undefined) return this.#allows(host, address);
    // Also where all of its addresses are allowed, or a proxy looks: nothing has to be known of them.
    if (this.#proxy || this.#isNamed(host)) return true;
    const found = await new Promise<string[] | undefined>((resolve) => {
      this.#lookup(host, { all: true }, (error, answer, family) =>
        resolve(error ? undefined : addressesIn(answer, family).map((each) => each.address)),
      );
    });
    return found === undefined || found.some((each) => this.#allows(host, each));
  }

  /**
   * The address that a host is, without being looked up. A proxy would look up `localhost` where it runs, although it is
   * always loopback (RFC 6761 §6.3).
   */
  #addressIn(host: string): string | undefined {
    if (isIP(host)) return host;
    return this.#proxy && /(^|\.)localhost$/.test(plainName(host)) ? '127.0.0.1' : undefined;
  }

  #allows(host: string, text: string): boolean {
    if (this.#isNamed(host)) return true;
    const address = parseAddress(text);
    if (!address) return false;
    const addresses = [address, translated(address) ?? address];
    return isPublic(address) || this.#allowed.some((range) => addresses.some((one) => contains(range, one)));
  }

  /** Whether the host, or one that it is below, is allowed by name. */
  #isNamed(host: string): boolean {
    const name = plainName(host);
    if (this.#hosts.size === 0) return false;
    if (this.#hosts.has(name)) return true;
    const labels = name.split('.');
    return labels.some((_, at) => at > 0 && this.#hosts.has(`*.${labels.slice(at).join('.')}`));
  }
}

function rangeOf(text: string): Range {
  const range = parseRange(text);
  if (!range) throw new RangeError(`${JSON.stringify(text)} is no range of addresses`);
  return range;
}

/** In lower case, and without the dot that only says that a name is whole (RFC 1034 §3.1). */
function plainName(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}
