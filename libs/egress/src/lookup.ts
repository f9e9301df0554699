/** Names looked up: once for all who wait, and with the addresses left out that may not be connected to. */
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { AddressNotAllowed } from './address-not-allowed.js';

/**
 * A name is looked up once for all that wait for the same: `getaddrinfo` takes one of libuv's four threads each time, and
 * a name server that does not answer must not take them all. Nothing is kept after the answer.
 */
export function sharedLookup(resolve: LookupFunction): LookupFunction {
  const running = new Map<string, Parameters<LookupFunction>[2][]>();
  return (hostname, options, callback) => {
    const key = `${hostname} ${options.family} ${options.hints} ${options.all}`;
    const waiting = running.get(key);
    if (waiting) {
      waiting.push(callback);
      return;
    }
    const callbacks = [callback];
    running.set(key, callbacks);
    resolve(hostname, options, (...answer) => {
      running.delete(key);
      for (const call of callbacks) call(...answer);
    });
  };
}

/**
 * Gives only addresses that are allowed, and `AddressNotAllowed` if there is none. Node connects to what its lookup gives
 * and asks no second time, so nothing can change between the check and the connection.
 */
export function checkedLookup(
  resolve: LookupFunction,
  allows: (hostname: string, address: string) => boolean,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, answer, family) => {
      if (error) return callback(error, answer, family);
      const allowed = addressesIn(answer, family).filter(({ address }) => allows(hostname, address));
      const [first] = allowed;
      if (!first) callback(new AddressNotAllowed(), '');
      else if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

/** What a lookup answered, of either form. */
export function addressesIn(answer: string | LookupAddress[], family = 4): LookupAddress[] {
  return typeof answer === 'string' ? [{ address: answer, family }] : answer;
}
