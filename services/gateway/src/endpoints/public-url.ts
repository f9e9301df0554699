import { isIPv6 } from 'node:net';
import { hostname } from 'node:os';

/** Where a gateway that listens there is best assumed to be reached: by the machine's name if it listens on every address. */
export function assumedUrl(scheme: 'http' | 'https', host: string, port: number): string {
  const name = host === '0.0.0.0' || host === '::' ? hostname() : host;
  return `${scheme}://${isIPv6(name) ? `[${name}]` : name}:${port}`;
}
