/** A topic or a domain as it is written by users and shown to them, in Event Grid's shape (Event Grid, Topic and Domain resources). */
import {
  type DomainProperties,
  type InputSchemaMapping,
  limits,
  type Scope,
  type Topic,
  type TopicProperties,
} from '@gridpost/model';
import type { Request } from 'express';
import { entityTag } from './preconditions.js';
import { baseUrl } from './route.js';
import { domainIn, type Stored } from './stored.js';
import { invalidResource, schemaCheck } from './validation.js';

type Written = { readonly [K in keyof (TopicProperties & DomainProperties)]?: unknown } & {
  readonly inputSchema?: TopicProperties['inputSchema'] | null;
  readonly inputSchemaMapping?: InputSchemaMapping | null;
  readonly disableLocalAuth?: boolean | null;
  readonly eventRetentionInDays?: number | null;
  readonly autoCreateTopicWithFirstSubscription?: boolean | null;
  readonly autoDeleteTopicWithLastSubscription?: boolean | null;
};

/** With the outer `properties`. */
interface WrittenWhole {
  readonly properties: Written;
  readonly location?: string | null;
  readonly tags?: Readonly<Record<string, string>> | null;
}

const checks = {
  topic: checksOf('topic.json', 'TopicProperties'),
  domain: checksOf('domain.json', 'DomainProperties'),
};

function checksOf(file: string, properties: string) {
  return {
    whole: schemaCheck<WrittenWhole>(file),
    properties: schemaCheck<Written>(`${file}#/$defs/${properties}`),
  };
}

/**
 * What a body says of a topic or a domain, with or without the outer `properties`; no body at all means the defaults.
 * Throws `InvalidResource`.
 */
export function writtenTopic(
  body: unknown,
  scope: Scope,
): Pick<Topic, 'properties' | 'domain' | 'location' | 'tags'> {
  const isDomain = domainIn(scope) !== undefined;
  const check = checks[isDomain ? 'domain' : 'topic'];
  const outer = typeof body === 'object' && body !== null && Object.hasOwn(body, 'properties');
  const { properties, location, tags }: WrittenWhole = outer
    ? check.whole(body)
    : { properties: check.properties(body === undefined ? {} : body) };
  const { inputSchema, inputSchemaMapping } = properties;
  if (inputSchemaMapping != null && inputSchema !== 'CustomEventSchema') {
    const pointer = `${outer ? '/properties' : ''}/inputSchemaMapping`;
    throw invalidResource([{ pointer, message: 'is for topics whose inputSchema is CustomEventSchema' }]);
  }
  return {
    properties: {
      inputSchema: inputSchema ?? 'CloudEventSchemaV1_0',
      ...(inputSchemaMapping == null ? {} : { inputSchemaMapping }),
      disableLocalAuth: properties.disableLocalAuth ?? false,
      eventRetentionInDays: properties.eventRetentionInDays ?? limits.retentionDays.default,
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

export function topicView({ etag, value }: Stored<Topic>, req: Request): object {
  const { name, properties, domain, location, tags } = value;
  const path = domain ? `/${name}` : `/topics/${name}`;
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
    systemData: {
      createdAt: new Date(value.createdAt).toISOString(),
      lastModifiedAt: new Date(value.updatedAt).toISOString(),
    },
  };
}
