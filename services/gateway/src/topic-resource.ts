/**
 * A topic or a domain as it is written by users and shown to them, in Event Grid's shape (Event Grid, Topic and Domain
 * resources).
 */
import {
  type DomainProperties,
  limits,
  type PublishQuota,
  type Scope,
  type Topic,
  type TopicProperties,
  topicPath,
} from '@gridpost/model';
import type { Request } from 'express';
import { entityTag } from './preconditions.js';
import { baseUrl } from './route.js';
import { domainIn, type Stored, systemDataOf } from './stored.js';
import { invalidResource, type Optional, resourceCheck } from './validation.js';

interface Written {
  readonly properties: Optional<TopicProperties & DomainProperties>;
  readonly location?: string | null;
  readonly tags?: Readonly<Record<string, string>> | null;
}

const checks = {
  topic: resourceCheck<Written>('topic.json', 'TopicProperties'),
  domain: resourceCheck<Written>('domain.json', 'DomainProperties'),
};

/**
 * What a body says of a topic or a domain, with or without the outer `properties`; no body at all means the defaults.
 * Throws `InvalidResource`.
 */
export function writtenTopic(
  body: unknown,
  scope: Scope,
): Pick<Topic, 'properties' | 'domain' | 'location' | 'tags'> {
  const isDomain = domainIn(scope) !== undefined;
  const { written, at }: { written: Written; at: string } = checks[isDomain ? 'domain' : 'topic'](body);
  const { properties, location, tags } = written;
  const { inputSchema, inputSchemaMapping, duplicateDetection, publishQuota } = properties;
  if (inputSchemaMapping != null && inputSchema !== 'CustomEventSchema') {
    const message = 'is for topics whose inputSchema is CustomEventSchema';
    throw invalidResource([{ pointer: `${at}/inputSchemaMapping`, message }]);
  }
  return {
    properties: {
      inputSchema: inputSchema ?? 'CloudEventSchemaV1_0',
      ...(inputSchemaMapping == null ? {} : { inputSchemaMapping }),
      disableLocalAuth: properties.disableLocalAuth ?? false,
      eventRetentionInDays: properties.eventRetentionInDays ?? limits.retentionDays.default,
      ...(properties.eventRetentionInBytes == null
        ? {}
        : { eventRetentionInBytes: properties.eventRetentionInBytes }),
      ...(duplicateDetection == null
        ? {}
        : {
            duplicateDetection: {
              windowInMinutes: duplicateDetection.windowInMinutes ?? limits.duplicateWindowMinutes.default,
            },
          }),
      ...(publishQuota == null ? {} : { publishQuota: given(publishQuota) }),
    },
    ...(isDomain
      ? {
          domain: {
            autoCreateTopicWithFirstSubscription: properties.autoCreateTopicWithFirstSubscription ?? true,
            autoDeleteTopicWithLastSubscription: properties.autoDeleteTopicWithLastSubscription ?? true,
          },
        }
      : {}),
    ...(location == null ? {} : { location }),
    ...(tags == null || Object.keys(tags).length === 0 ? {} : { tags }),
  };
}

/** Without what is null, which is as good as absent. */
function given(quota: Optional<PublishQuota>): PublishQuota {
  return Object.fromEntries(Object.entries(quota).filter(([, bound]) => bound !== null));
}

export function topicView({ etag, value }: Stored<Topic>, req: Request): object {
  const { name, properties, domain, location, tags } = value;
  const path = `/${topicPath(name)}`;
  const publish = properties.inputSchema === 'CloudEventSchemaV1_0' && !domain ? ':publish' : '/api/events';
  return {
    id: path,
    name: domainIn(name) ?? name,
    type: domain ? 'Gridpost/domains' : 'Gridpost/topics',
    etag: entityTag(etag),
    ...(location === undefined ? {} : { location }),
    ...(tags === undefined ? {} : { tags }),
    properties: {
      ...properties,
      ...domain,
      endpoint: `${baseUrl(req)}${path}${publish}`,
      provisioningState: 'Succeeded',
    },
    systemData: systemDataOf(value),
  };
}
