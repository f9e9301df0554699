/** What the topic that an event names decides: whose event it is, and so its `source`. */
import type { Event } from '@gridpost/model';
import type { DecodedRequest } from './decode.js';
import { Problems, refuseEvent } from './refusal.js';
import { shown } from './text.js';

/** Events are published to a topic, which they need not name. */
export interface ToTopic {
  /** The topic's resource path, which becomes the `source` of its events, and so must be a URI-reference. */
  readonly topic: string;
}

/** Events are published to a domain, where each names its domain topic (Event Grid, "Event domains"). */
export interface ToDomain {
  /** The resource path, as above, of the domain topic of this name; undefined if none can have it. */
  readonly topicOf: (name: string) => string | undefined;
}

export interface DomainEvent {
  readonly event: Event;
  /** The domain topic it goes to, as the event names it. */
  readonly topic: string;
}

const inDomain = 'it must be the name of a topic of the domain';

/**
 * The source of an event that names `topic`: empty if it names none, undefined if what it names was found wrong and noted
 * already. `field` has the names that lead to the member. What is wrong in a domain is noted, and the result then of no
 * use; outside one, a foreign topic throws `ForeignTopic`.
 */
export function sourceOf(
  to: ToTopic | ToDomain,
  topic: string | undefined,
  field: readonly string[],
  problems: Problems,
): string {
  const name = field.join('.');
  if ('topic' in to) {
    // Event Grid compares the resource path exactly.
    if (!topic || topic === to.topic) return to.topic;
    const expected = `it must be absent, empty or ${shown(to.topic)}`;
    throw refuseEvent('ForeignTopic', problems.index, `${name} is ${shown(topic)}; ${expected}`, field);
  }
  if (topic === undefined) return '';
  if (topic === '') {
    problems.add(field, `${name} is missing; in a domain it names the topic that the event is for`);
    return '';
  }
  const source = to.topicOf(topic);
  if (source === undefined) problems.add(field, `${name} is ${shown(topic)}; ${inDomain}`);
  return source ?? '';
}

/**
 * Throws unless each of the CloudEvents names a topic of the domain as its `source`, which Event Grid reads as what its
 * own schema has in `topic` (MicrosoftDocs/azure-docs issues 43468, 112147): `InvalidEvent`, or `InvalidEventHeader` in
 * binary mode. The events stay as they were sent.
 */
export function expectDomainTopics({ mode, events }: DecodedRequest, { topicOf }: ToDomain): void {
  const isBinary = mode === 'binary';
  const problems = new Problems(isBinary ? 'header' : 'body');
  const name = isBinary ? 'ce-source' : 'source';
  for (const [index, { source }] of events.entries()) {
    if (topicOf(source) !== undefined) continue;
    problems.index = mode === 'batch' ? index : undefined;
    problems.add(name, `${name} is ${shown(source)}; ${inDomain}`);
    problems.throwIfAny();
  }
}
