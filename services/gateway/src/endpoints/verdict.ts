/** What a try of a handshake came to, and what answers of every kind of handshake have in common. */
import type { Answer } from './outgoing.js';

/**
 * `agreed`: the endpoint wants events. `unanswered`: it said neither yes nor no, and may still be heard of. `again`: it
 * could not answer now; `afterMs` if it said when. `refused`: it answered what no other try will change.
 */
export type Verdict =
  | { readonly kind: 'agreed'; readonly allowedRate?: number }
  | { readonly kind: 'unanswered'; readonly reason: string }
  | { readonly kind: 'again'; readonly reason: string; readonly afterMs?: number }
  | { readonly kind: 'refused'; readonly reason: string };

/** An answer that says that the endpoint cannot answer now: too busy, or broken. */
export function passing({ status, headers }: Answer): Verdict | undefined {
  if (status !== 408 && status !== 429 && status < 500) return undefined;
  const seconds = /^\d{1,6}$/.exec(String(headers['retry-after'] ?? ''))?.[0];
  return {
    kind: 'again',
    reason: `the endpoint answered ${status}`,
    ...(seconds === undefined ? {} : { afterMs: Number(seconds) * 1_000 }),
  };
}

/** Requests per minute (CloudEvents HTTP WebHook §4.2.2); undefined for no bound, and for what is none. */
export function allowedRateOf(header: string | string[] | undefined): number | undefined {
  return typeof header === 'string' && /^[1-9]\d{0,8}$/.test(header) ? Number(header) : undefined;
}
