/** Records gathered into lives: of each event what became of it for each subscription. */
import type { AttemptRecord, RecordedEvent } from '@gridpost/attempt-log';
import type { Place } from '@gridpost/model';
import type { DeadLetter, Store } from '@gridpost/store';
import { deadLetterId } from '../dead-letter-view.js';
import { instant, placeId, stateOf, stepOf, subscriptionOf } from './view.js';

/** Records that say only where their event stands, kept until it is known whether that is the event asked for. */
const placesOnlyMax = 10_000;
/** Deliveries that are looked for among the dead letters. */
const lettersMax = 200;

/** The records of one delivery, newest first. */
type Steps = AttemptRecord[];

export interface Life {
  readonly place: Place;
  readonly acceptedAt: number;
  readonly event: RecordedEvent;
  /** By incarnation. */
  readonly deliveries: Map<string, Steps>;
}

export class Lives {
  /** By place. */
  readonly #lives = new Map<string, Life>();
  readonly #placesOnly = new Map<string, AttemptRecord[]>();
  #placesOnlyCount = 0;
  count = 0;

  all(): IterableIterator<Life> {
    return this.#lives.values();
  }

  /** Begins a life, of which there may be no record. */
  of(place: Place, acceptedAt: number, event: RecordedEvent): Life {
    const id = placeId(place.partition, place);
    let life = this.#lives.get(id);
    if (!life) {
      life = { place, acceptedAt, event, deliveries: new Map() };
      this.#lives.set(id, life);
      for (const record of this.#placesOnly.get(id) ?? []) add(life, record);
    }
    return life;
  }

  /** The next older record of the event. */
  add(partition: number, record: AttemptRecord, event: RecordedEvent): void {
    const { entry, index, acceptedAt } = record;
    add(this.of({ partition, entry, index }, acceptedAt, event), record);
    this.count++;
  }

  /** The next older record that may be of the event. */
  addPlaceOnly(partition: number, record: AttemptRecord): void {
    const id = placeId(partition, record);
    const life = this.#lives.get(id);
    if (life) add(life, record);
    else if (this.#placesOnlyCount++ < placesOnlyMax) {
      const known = this.#placesOnly.get(id);
      if (known) known.push(record);
      else this.#placesOnly.set(id, [record]);
    }
  }
}

function add({ deliveries }: Life, record: AttemptRecord): void {
  const { incarnation } = record.subscription;
  const steps = deliveries.get(incarnation);
  if (!steps) deliveries.set(incarnation, [record]);
  // The same settle may have been written twice where the store lost it in between.
  else if (!steps.some((step) => step.at === record.at && step.ending.kind === record.ending.kind))
    steps.push(record);
}

/** Deliveries as they are shown; whether they are dead letters now is asked of the store. */
export async function deliveriesOf(store: Store, { place, deliveries }: Life): Promise<object[]> {
  const shown: object[] = [];
  for (const [incarnation, steps] of deliveries) {
    const newest = steps[0]!;
    const state = stateOf(newest);
    // A quota turns deferred deliveries into dead letters, and what was a dead letter may have been redriven or let go.
    const letter =
      (state === 'Deferred' || state === 'DeadLettered') && shown.length < lettersMax
        ? await store.deadLetter(place.partition, incarnation, place)
        : undefined;
    const { attempt: _, at: since, ...now } = stepOf(newest) as { attempt?: object; at: string };
    shown.push({
      ...subscriptionOf(newest),
      ...(letter && state === 'Deferred' ? turned(letter) : { since, ...now }),
      ...(letter ? { deadLetterId: deadLetterId(place) } : {}),
      attempts: attemptsOf(steps),
      steps: steps.toReversed().map(stepOf),
    });
  }
  return shown;
}

const turned = ({ deadLetteredAt, reason }: DeadLetter): object => ({
  ...{ since: instant(deadLetteredAt), state: 'DeadLettered', reason },
});

/** Attempts that count, as far as they are known. */
function attemptsOf(steps: Steps): number {
  return Math.max(
    0,
    ...steps.map(({ attempt }) =>
      attempt === undefined ? 0 : attempt.outcome === 'Aborted' ? attempt.number - 1 : attempt.number,
    ),
  );
}
