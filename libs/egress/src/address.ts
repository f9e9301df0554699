/**
 * Addresses and ranges as numbers, so that they are compared bit by bit and no spelling matters. Only the strict forms are
 * read that the system's resolver and `URL` give; whatever else can be written for an address has become one by then.
 */
import { isIPv4, isIPv6 } from 'node:net';

export interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** All addresses of as many bits that begin with the first `prefix` bits of the value. */
export interface Range extends Address {
  readonly prefix: number;
}

/**
 * An IPv4-mapped address of IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address: the system connects to that. Undefined for what
 * is no address, and for one with a zone (RFC 4007 §11), which only has a meaning on this machine.
 */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { bits: 32, value: joined(text.split('.'), 8n) };
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const value = joined(groupsOf(text), 16n);
  return value >> 32n === 0xffffn ? ipv4In(value) : { bits: 128, value };
}

/** `10.0.0.0/8`, `fd00::/8`, or one address; bits beyond the prefix are ignored. Undefined for what is none. */
export function parseRange(text: string): Range | undefined {
  const [, before = '', digits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const address = parseAddress(before);
  // A range of mapped addresses would contain none: they are IPv4.
  if (!address || (address.bits === 32) !== isIPv4(before)) return undefined;
  const prefix = digits === undefined ? address.bits : Number(digits);
  return prefix <= address.bits ? { ...address, prefix } : undefined;
}

export function contains({ bits, value, prefix }: Range, address: Address): boolean {
  const rest = BigInt(bits - prefix);
  return bits === address.bits && value >> rest === address.value >> rest;
}

/** Whether the text is a range of addresses, or one address. */
export function isRange(text: string): boolean {
  return parseRange(text) !== undefined;
}

/** The address of IPv4 in the last 32 bits. */
export function ipv4In(value: bigint): Address {
  return { bits: 32, value: BigInt.asUintN(32, value) };
}

function joined(parts: readonly string[], bits: bigint): bigint {
  return parts.reduce((value, part) => (value << bits) | BigInt(bits === 8n ? part : `0x${part}`), 0n);
}

/** The eight groups of an address of IPv6, in hexadecimal. */
function groupsOf(text: string): string[] {
  const hex = text.replace(/[\d.]+$/, (tail) => (tail.includes('.') ? tailGroups(tail) : tail));
  const [before, after] = hex.split('::').map((side) => (side === '' ? [] : side.split(':')));
  if (!after) return before!;
  const zeros = new Array<string>(8 - before!.length - after.length).fill('0');
  return [...before!, ...zeros, ...after];
}

/** The last two groups, written as IPv4 (RFC 4291 §2.2). */
function tailGroups(text: string): string {
  const value = joined(text.split('.'), 8n);
  return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
}
