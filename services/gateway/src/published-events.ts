/** The events in the body of a publish request, by the schema of what they are published to, which is a topic or a domain. */
import { randomUUID } from 'node:crypto';
import {
  decodeCustom,
  decodeCustomDomain,
  decodeEventGrid,
  decodeEventGridDomain,
  decodeRequest,
  expectDomainTopics,
  type RequestRules,
  type ToDomain,
} from '@gridpost/codec';
import { type Clock, type Event, isTopicName, type Topic, topicPath } from '@gridpost/model';

/**
 * All events of a request, or none; they copy the body. Throws what the decoder of the schema throws. `rules` and
 * `rawHeaders` are for CloudEvents: of the other schemas Event Grid ignores the content type.
 */
export function publishedEvents(
  topic: Topic,
  rules: RequestRules,
  rawHeaders: readonly string[],
  body: Buffer,
  clock: Clock,
): readonly Event[] {
  const { inputSchema, inputSchemaMapping } = topic.properties;
  if (inputSchema === 'CloudEventSchemaV1_0') {
    const request = decodeRequest(rawHeaders, body, rules);
    if (topic.domain) expectDomainTopics(request, toDomain(topic));
    return request.events;
  }
  const generated = { now: clock.now(), newId: () => randomUUID() };
  if (topic.domain) {
    const to = toDomain(topic);
    const events =
      inputSchema === 'EventGridSchema'
        ? decodeEventGridDomain(body, to)
        : decodeCustomDomain(body, inputSchemaMapping, { ...generated, ...to });
    return events.map(({ event }) => event);
  }
  const to = { topic: `/${topicPath(topic.name)}` };
  return inputSchema === 'EventGridSchema'
    ? decodeEventGrid(body, to)
    : decodeCustom(body, inputSchemaMapping, { ...generated, ...to });
}

/**
 * A topic of a domain is named by its bare name or by its whole path, as in Event Grid. It need not exist: without
 * subscriptions it does not, and its events are then for those of the domain.
 */
function toDomain({ name: scope }: Topic): ToDomain {
  const path = `/${scope}/topics/`;
  return {
    topicOf(text) {
      const name = text.startsWith(path) ? text.slice(path.length) : text;
      return isTopicName(name) ? path + name : undefined;
    },
  };
}
