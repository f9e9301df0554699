/**
 * Records gathered into lives: of each event what became of it for each subscription. What was replayed or redriven to
 * another subscription stands at a place of its own, and is a delivery of its own in the life of the event that it is of.
 */
import type { AttemptRecord, RecordedEvent } from '@gridpost/attempt-log';
import type { Incarnation, Place } from '@gridpost/model';
import type { DeadLetter, Store } from '@gridpost/store';
import { deadLetterId } from '../dead-letter-view.js';
import { instant, originOf, placeId, stateOf, stepOf, subscriptionOf } from './view.js';

/** Records that say only where their event stands, kept until it is known whether that is the event asked for. */
const placesOnlyMax = 10_000;
/** Deliveries that are looked for among the dead letters. */
const lettersMax = 200;

type Steps = readonly AttemptRecord[];

interface Delivery {
  readonly place: Place;
  /** Newest first. */
  readonly steps: AttemptRecord[];
}

export interface Life {
  /** Where the event stood first. */
  readonly place: Place;
  readonly acceptedAt: number;
  readonly event: RecordedEvent;
  /** By `deliveryKey`. */
  readonly deliveries: Map<string, Delivery>;
}

export function deliveryKey(place: Place, subscription: Incarnation): string {
  return `${placeId(place.partition, place)} ${subscription}`;
}

export class Lives {
  readonly #lives = new Set<Life>();
  /** By first place, and by those of copies. */
  readonly #at = new Map<string, Life>();
  readonly #placesOnly = new Map<string, AttemptRecord[]>();
  #placesOnlyCount = 0;
  count = 0;

  all(): Iterable<Life> {
    return this.#lives;
  }

  /** Subscriptions for which something waits or is being attempted, by what was recorded last. */
  *waitedFor(): Iterable<Incarnation> {
    for (const { deliveries } of this.#lives)
      for (const { steps } of deliveries.values())
        if (isOpen(steps[0]!)) yield steps[0]!.subscription.incarnation;
  }

  /** Begins a life, of which there may be no record. */
  of(place: Place, acceptedAt: number, event: RecordedEvent): Life {
    const known = this.#at.get(placeId(place.partition, place));
    if (known) return known;
    const life = { place, acceptedAt, event, deliveries: new Map() };
    this.#lives.add(life);
    this.#stand(life, place);
    return life;
  }

  /** The next older record of the event. */
  add(partition: number, record: AttemptRecord, event: RecordedEvent): void {
    const { entry, index, acceptedAt } = record.copy?.original ?? record;
    const life = this.of({ partition, entry, index }, acceptedAt, event);
    const place = placeOf(partition, record);
    if (record.copy?.original) this.#stand(life, place);
    add(life, place, record);
    this.count++;
  }

  /** The next older record that may be of the event. */
  addPlaceOnly(partition: number, record: AttemptRecord): void {
    const id = placeId(partition, record);
    const life = this.#at.get(id);
    if (life) add(life, placeOf(partition, record), record);
    else if (this.#placesOnlyCount++ < placesOnlyMax) {
      const known = this.#placesOnly.get(id);
      if (known) known.push(record);
      else this.#placesOnly.set(id, [record]);
    }
  }

  #stand(life: Life, place: Place): void {
    const id = placeId(place.partition, place);
    if (this.#at.has(id)) return;
    this.#at.set(id, life);
    for (const record of this.#placesOnly.get(id) ?? []) add(life, place, record);
  }
}

const placeOf = (partition: number, { entry, index }: AttemptRecord): Place => ({ partition, entry, index });

function add({ deliveries }: Life, place: Place, record: AttemptRecord): void {
  const key = deliveryKey(place, record.subscription.incarnation);
  const steps = deliveries.get(key)?.steps;
  if (!steps) deliveries.set(key, { place, steps: [record] });
  // The same settle may have been written twice where the store lost it in between.
  else if (!steps.some((step) => step.at === record.at && step.ending.kind === record.ending.kind))
    steps.push(record);
}

/** Deliveries as they are shown; whether they are dead letters now, or their subscription is gone, is asked. */
export async function deliveriesOf(
  store: Store,
  isKnown: (subscription: Incarnation) => boolean,
  { deliveries }: Life,
): Promise<object[]> {
  const shown: object[] = [];
  for (const { place, steps } of deliveries.values()) {
    const newest = steps[0]!;
    const { incarnation } = newest.subscription;
    // What consumers said is recorded by the place alone.
    const copy = steps.find((step) => step.copy)?.copy;
    const state = stateOf(newest);
    // A quota turns deferred deliveries into dead letters, and what was a dead letter may have been redriven or let go.
    const letter =
      (state === 'Deferred' || state === 'DeadLettered') && shown.length < lettersMax
        ? await store.deadLetter(place.partition, incarnation, place)
        : undefined;
    shown.push({
      ...subscriptionOf(newest),
      ...(copy ? { place: placeId(place.partition, place), origin: originOf(place.partition, copy) } : {}),
      ...standing(newest, letter, isKnown(incarnation)),
      ...(letter ? { deadLetterId: deadLetterId(place) } : {}),
      attempts: attemptsOf(steps),
      steps: steps.toReversed().map(stepOf),
    });
  }
  return shown;
}

/** The state that a delivery is in by now, of which its newest record may know nothing. */
function standing(newest: AttemptRecord, letter: DeadLetter | undefined, known: boolean): object {
  if (letter && stateOf(newest) === 'Deferred') {
    const { deadLetteredAt, reason } = letter;
    return { since: instant(deadLetteredAt), state: 'DeadLettered', reason };
  }
  // Nobody noted when: what a subscription leaves is let go of unread.
  if (!known && isOpen(newest)) return { state: 'Dropped', reason: 'SubscriptionDeleted' };
  const { attempt: _, at: since, ...now } = stepOf(newest) as { attempt?: object; at: string };
  return { since, ...now };
}

/** It waits, or is being attempted. */
const isOpen = (newest: AttemptRecord): boolean => ['Deferred', 'Running'].includes(stateOf(newest));

/** Attempts that count, as far as they are known: a dead letter that is redriven has fresh ones. */
function attemptsOf(steps: Steps): number {
  const revived = steps.findIndex(
    ({ ending }) => ending.kind === 'deferred' && ['redriven', 'resent'].includes(ending.reason),
  );
  const counting = revived === -1 ? steps : steps.slice(0, revived);
  return Math.max(
    0,
    ...counting.map(({ attempt }) =>
      attempt === undefined ? 0 : attempt.outcome === 'Aborted' ? attempt.number - 1 : attempt.number,
    ),
  );
}
