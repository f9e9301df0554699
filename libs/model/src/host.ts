import { isIPv4, isIPv6 } from 'node:net';

/** The host of a URL, without the brackets of an IPv6 address. */
export function hostIn({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Whether a host, without brackets, is this machine's own: `localhost`, 127.0.0.0/8, or `::1` (RFC 6890). */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  if (isIPv4(host)) return host.startsWith('127.');
  return isIPv6(host) && /^(0*:)*:?0*1$/.test(host);
}
