/** What a pull subscription's properties come to. */
import type { QueueProperties } from './resources.js';

export interface QueueLimits {
  /** How long a received event is locked for its consumer. */
  readonly lockMs: number;
  /** How often an event may be received. */
  readonly deliveriesMax: number;
  /** From acceptance, or the last redrive. */
  readonly timeToLiveMs: number;
}

const duration = /^P(?:(\d{1,4})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?$/;

/** Milliseconds of an ISO 8601 duration in whole days, hours, minutes and seconds; undefined if it is none. */
export function durationMs(text: string): number | undefined {
  const found = duration.exec(text);
  if (!found || text === 'P') return undefined;
  const [days, hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  return (((days! * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1_000;
}

export function queueLimitsOf(queue: QueueProperties): QueueLimits {
  return {
    lockMs: queue.receiveLockDurationInSeconds * 1_000,
    deliveriesMax: queue.maxDeliveryCount,
    timeToLiveMs: durationMs(queue.eventTimeToLive)!,
  };
}
