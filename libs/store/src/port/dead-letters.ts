/** Deliveries that were given up and are kept. */
import type { DeadLetterReason, Incarnation, Place } from '@gridpost/model';
import type { DeliveryState } from './deliveries.js';

export interface DeadLetter {
  readonly place: Place;
  readonly subscription: Incarnation;
  readonly topic: Incarnation;
  readonly acceptedAt: number;
  readonly deadLetteredAt: number;
  readonly reason: DeadLetterReason;
  readonly state: DeliveryState;
  readonly frame: Buffer;
}

/** One dead-lettering: a delivery that was redriven and given up again is another. */
export type DeadLetterKey = Pick<DeadLetter, 'place' | 'deadLetteredAt'>;

export interface DeadLetterPage {
  /** Oldest dead-lettering first, within the partition. */
  readonly deadLetters: readonly DeadLetter[];
  /** Opaque continuation, absent on the last page. */
  readonly next?: string;
}
