/**
 * Dead letters as what is written of them at a time: an array of Event Grid's documents under a name. The same dead
 * letter in front gives the same name, so that what is written again after a crash takes the place of what was written
 * before.
 */
import { deadLetterSchemaOf, encodeBatch, encodeDeadLetter } from '@gridpost/codec';
import { Event, messageId, originalOf, type Subscription } from '@gridpost/model';
import type { DeadLetter } from '@gridpost/store';

/** As a webhook may get it, whose servers seldom take much more; a single larger document goes alone. */
const batchBytesMax = 2 ** 20;

export interface Batch {
  /**
   * `{topic}/{subscription}/{year}/{month}/{day}/{hour}/{id}.json`, as Event Grid names its blobs: the hour, in UTC, and
   * the id are those of the first dead letter. Letters, digits and `/._-`.
   */
  readonly name: string;
  readonly contentType: string;
  readonly body: Buffer;
  /** Those in it, in order. */
  readonly deadLetters: readonly DeadLetter[];
}

/** Of as many of the dead letters from the front as fit; at least one. */
export function batchOf(subscription: Subscription, deadLetters: readonly DeadLetter[]): Batch {
  const schema = deadLetterSchemaOf(subscription.properties);
  const documents: Buffer[] = [];
  let bytes = 0;
  for (const letter of deadLetters) {
    const event = new Event(letter.frame);
    const { acceptedAt } = originalOf(event, letter.place, letter.acceptedAt);
    const document = encodeDeadLetter(event, schema, { ...letter, acceptedAt });
    bytes += document.length;
    if (bytes > batchBytesMax && documents.length > 0) break;
    documents.push(document);
  }
  const { headers, body } = encodeBatch(documents, schema === 'Namespace' ? 'EventGridSchema' : schema);
  return {
    name: nameOf(subscription, deadLetters[0]!),
    contentType: headers[1]!,
    body: body!,
    deadLetters: deadLetters.slice(0, documents.length),
  };
}

function nameOf({ topic, name, incarnation }: Subscription, { place, deadLetteredAt }: DeadLetter): string {
  const at = new Date(deadLetteredAt);
  const hour = [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours()].join('/');
  // A delivery that was redriven and given up again is another dead letter under the same id.
  return `${topic}/${name}/${hour}/${messageId(place, incarnation)}_${Math.floor(deadLetteredAt)}.json`;
}
