/**
 * Which addresses are of the public Internet. Everything in IANA's registries of special-purpose addresses is not, also
 * what they call globally reachable: no webhook is served from an anycast address of a protocol. Sources: "IANA IPv4
 * Special-Purpose Address Registry" and "IANA IPv6 Special-Purpose Address Registry" (RFC 6890), "Internet Protocol
 * Version 6 Address Space", and the RFC beside each range.
 */
import { type Address, contains, ipv4In, parseRange, type Range } from './address.js';

const ranges = (...texts: string[]): readonly Range[] => texts.map((text) => parseRange(text)!);

const special = ranges(
  '0.0.0.0/8', // this network: 0.0.0.0 reaches loopback (RFC 791 §3.2)
  '10.0.0.0/8', // private (RFC 1918)
  '100.64.0.0/10', // shared by carriers (RFC 6598); the metadata of Alibaba Cloud is 100.100.100.200
  '127.0.0.0/8', // loopback (RFC 1122 §3.2.1.3)
  '168.63.129.16', // the platform of Azure as its machines see it (Microsoft, "What is IP address 168.63.129.16?")
  '169.254.0.0/16', // link-local (RFC 3927), where most clouds have their metadata
  '172.16.0.0/12', // private (RFC 1918)
  '192.0.0.0/24', // protocol assignments (RFC 6890); the metadata of Oracle's classic cloud is 192.0.0.192
  '192.0.2.0/24', // documentation (RFC 5737)
  '192.31.196.0/24', // AS112 (RFC 7535)
  '192.52.193.0/24', // AMT (RFC 7450)
  '192.88.99.0/24', // relays of 6to4, deprecated (RFC 7526)
  '192.168.0.0/16', // private (RFC 1918)
  '192.175.48.0/24', // AS112 (RFC 7534)
  '198.18.0.0/15', // benchmarks (RFC 2544)
  '198.51.100.0/24', // documentation (RFC 5737)
  '203.0.113.0/24', // documentation (RFC 5737)
  '224.0.0.0/4', // multicast (RFC 5771)
  '240.0.0.0/4', // reserved (RFC 1112 §4), and the broadcast address (RFC 919)
  '2001::/23', // protocol assignments (RFC 2928): Teredo (RFC 4380), benchmarks, ORCHIDs
  '2001:db8::/32', // documentation (RFC 3849)
  '2002::/16', // 6to4 (RFC 3056): a relay takes it to the address of IPv4 within, whichever that is
  '2620:4f:8000::/48', // AS112 (RFC 7534)
  '3ffe::/16', // the former 6bone (RFC 3701)
  '3fff::/20', // documentation (RFC 9637)
);

/**
 * All that IANA has given out of IPv6 (RFC 4291 §2.4). Outside are `::`, loopback, IPv4-compatible addresses, unique local
 * ones (RFC 4193, with the metadata of AWS at fd00:ec2::254), link-local and site-local ones, multicast, and local NAT64.
 */
const global = parseRange('2000::/3')!;

/** A translator takes it to the IPv4 address in its last 32 bits (RFC 6052 §2.1). */
const nat64 = parseRange('64:ff9b::/96')!;

/** Whether it is of the public Internet; of a NAT64 address, whether the one within is. */
export function isPublic(address: Address): boolean {
  const within = translated(address);
  if (within) return isPublic(within);
  if (address.bits === 128 && !contains(global, address)) return false;
  return !special.some((range) => contains(range, address));
}

/** The address of IPv4 that a translator makes of it, if one does. */
export function translated(address: Address): Address | undefined {
  return contains(nat64, address) ? ipv4In(address.value) : undefined;
}
