/**
 * Where a publish request is sent: which form of address it is, and to whom. Event Grid has one form for namespace topics,
 * `:publish`, and one for custom topics and domains, `/api/events`; what differs between them is data here, so that the
 * route that serves them is one.
 */
import type { RequestRules } from '@gridpost/codec';
import { domainScope, isTopicName, type Scope } from '@gridpost/model';
import type { DirectForm } from './direct-answers.js';
import { unmatchedRoute } from './route-times.js';

export interface PublishForm extends DirectForm {
  readonly holder: 'topic' | 'domain';
  /** What it takes of CloudEvents. */
  readonly rules: RequestRules;
  /** Whether it takes topics whose `inputSchema` is another than CloudEvents. */
  readonly anySchema: boolean;
  readonly allow: readonly string[];
  /** The answer to a request whose events are durable. Event Grid's SDKs take 200 only. */
  readonly accepted: { readonly headers: readonly string[]; readonly body: string };
}

export interface PublishTarget {
  readonly form: PublishForm;
  /** Still percent-encoded. */
  readonly name: string;
}

/** `POST /topics/{topic}:publish`, whose SDK wants an object back. */
export const namespaceTopic: PublishForm = {
  route: '/topics/{topic}:publish',
  holder: 'topic',
  rules: 'namespaceTopic',
  anySchema: false,
  allow: ['POST'],
  headers: {},
  accepted: {
    headers: ['content-type', 'application/json; charset=utf-8', 'content-length', '2'],
    body: '{}',
  },
};

const apiEvents = '/api/events';
const versions = 'api-supported-versions';
const version = '2018-01-01';

/** `POST /topics/{topic}/api/events`. */
export const customTopic: PublishForm = {
  route: `/topics/{topic}${apiEvents}`,
  holder: 'topic',
  rules: 'customTopic',
  anySchema: true,
  allow: ['POST', 'OPTIONS'],
  headers: { [versions]: version },
  accepted: { headers: ['content-length', '0', versions, version], body: '' },
};

/** `POST /domains/{domain}/api/events`. */
export const eventDomain: PublishForm = {
  ...customTopic,
  route: `/domains/{domain}${apiEvents}`,
  holder: 'domain',
};

/** A path that ends as an address of Event Grid does and is none: its clients are answered in words they know. */
export const nowhere: PublishForm = { ...customTopic, route: unmatchedRoute };

export const publishForms: readonly PublishForm[] = [namespaceTopic, customTopic, eventDomain];

const prefix = '/topics/';
const suffix = ':publish';

/** Undefined if the request's target is none of the publish route. Any query, such as `api-version`, is ignored. */
export function publishTargetOf(target: string): PublishTarget | undefined {
  const query = target.indexOf('?');
  const end = query === -1 ? target.length : query;
  const nameEnd = end - suffix.length;
  if (nameEnd > prefix.length && target.startsWith(prefix) && target.startsWith(suffix, nameEnd)) {
    const further = target.indexOf('/', prefix.length);
    if (further === -1 || further > nameEnd) {
      return { form: namespaceTopic, name: target.slice(prefix.length, nameEnd) };
    }
  }
  return apiEventsTarget(target, end);
}

/**
 * `/topics/{topic}/api/events`, `/domains/{domain}/api/events`, or `/{topic}/api/events` as some emulators have it; all but
 * the name in any case, and with a slash at the end or without (seen of Event Grid by its emulators).
 */
function apiEventsTarget(target: string, pathEnd: number): PublishTarget | undefined {
  const end = target.charCodeAt(pathEnd - 1) === 0x2f ? pathEnd - 1 : pathEnd;
  const at = end - apiEvents.length;
  if (at < 0 || target.slice(at, end).toLowerCase() !== apiEvents) return undefined;
  const [, first, second, ...others] = target.slice(0, at).split('/');
  if (others.length > 0 || !first) return { form: nowhere, name: '' };
  if (second === undefined) return { form: customTopic, name: first };
  const collection = first.toLowerCase();
  if (collection === 'topics') return { form: customTopic, name: second };
  return { form: collection === 'domains' ? eventDomain : nowhere, name: second };
}

/** The topic or domain of that name, which is not percent-encoded; undefined if none can have it. */
export function scopeNamed({ holder }: PublishForm, name: string): Scope | undefined {
  if (!isTopicName(name)) return undefined;
  return holder === 'domain' ? domainScope(name) : name;
}
