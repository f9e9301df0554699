/**
 * What a failed call means to the caller. Classified by what is known to have happened, not by ioredis's words: the same
 * timeout reads differently on one node and behind a cluster's redirections.
 *
 * The error that ioredis rejects with carries the command with all its arguments, that is, users' events and the
 * password of the handshake. Only its message is taken over.
 */
import { GridpostError } from '@gridpost/model';
import type { Call } from './call.js';

/** Whether doing it twice does harm: an append does, settling does not. */
export type Effect = 'once' | 'repeatable';

/** First words of replies by which Redis says that it did not execute the command, and that it may later. */
const refusals = new Set([
  'MISCONF',
  'NOREPLICAS',
  'CLUSTERDOWN',
  'LOADING',
  'READONLY',
  'MASTERDOWN',
  'BUSY',
  'TRYAGAIN',
  'NOAUTH',
  'NOPERM',
  'WRONGPASS',
]);

export const isReply = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'ReplyError';

const firstWord = (message: string): string => message.slice(0, message.search(/\s|$/));

/** Whether the server does not know the script: it was restarted, failed over to, or told to forget. */
export const isUnknownScript = (error: unknown): boolean =>
  isReply(error) && firstWord(error.message) === 'NOSCRIPT';

/**
 * `StoreFull` and `StoreUnavailable`: nothing was stored, or it does no harm to do it again. `OutcomeUnknown`: a call
 * with effect `once` was written, and nothing says whether it was executed.
 */
export function failureOf(error: unknown, call: Call, effect: Effect, place: string): GridpostError {
  const message = error instanceof Error ? error.message : String(error);
  if (isReply(error)) {
    const word = firstWord(message);
    if (word === 'OOM') {
      return new GridpostError('StoreFull', `Redis at ${place} is out of memory`);
    }
    if (refusals.has(word) || effect === 'repeatable') {
      return new GridpostError('StoreUnavailable', `Redis at ${place} refused: ${message}`);
    }
    return new GridpostError('OutcomeUnknown', `Redis at ${place} failed: ${message}`);
  }
  if (call.socket && effect === 'once') {
    return new GridpostError(
      'OutcomeUnknown',
      `Redis at ${place} did not answer: ${lost(message)}; the write may have been made`,
    );
  }
  return new GridpostError('StoreUnavailable', `Redis at ${place} cannot be reached: ${lost(message)}`);
}

/** ioredis says which of its queues it flushed; an operator wants to hear that the connection is gone. */
function lost(message: string): string {
  return /max retries|enableOfflineQueue|Connection is closed/.test(message)
    ? 'the connection is lost'
    : message;
}
