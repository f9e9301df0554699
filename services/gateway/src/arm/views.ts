/** Gridpost's resources as Azure shows them: under Azure's ids, types and names, with all that Gridpost adds. */
import type { Scope } from '@gridpost/model';
import { defaultLocation, type Form, forms, type Group, groupId, provider, scopeId } from './paths.js';

/** What all of Gridpost's own views have in common. */
export interface View {
  /** `/topics/orders` */
  readonly id: string;
  readonly name: string;
  /** `Gridpost/topics` */
  readonly type: string;
  readonly location?: string;
  readonly tags?: object;
  readonly properties: Readonly<Record<string, unknown>>;
  readonly systemData: object;
}

/** A topic or a domain. */
export function topicView(group: Group, view: View): object {
  const { id, name, type, location = defaultLocation, tags, properties, systemData } = view;
  return {
    id: groupId(group) + provider + id,
    name,
    type: typeOf(type),
    location,
    ...(tags === undefined ? {} : { tags }),
    properties: { ...properties, publicNetworkAccess: 'Enabled' },
    systemData,
  };
}

export function domainTopicView(group: Group, { id, name, type, properties, systemData }: View): object {
  return { id: groupId(group) + provider + id, name, type: typeOf(type), properties, systemData };
}

/** An event subscription, as a child of its scope or as an extension of it: as it was asked for. */
export function subscriptionView(group: Group, scope: Scope, form: Form, view: View): object {
  const { name, type, properties, systemData } = view;
  const topic = scopeId(group, scope);
  return {
    id: `${topic}${forms[form]}/${name}`,
    name,
    type: form === 'nested' ? typeOf(type) : 'Microsoft.EventGrid/eventSubscriptions',
    properties: { ...properties, topic },
    systemData,
  };
}

function typeOf(type: string): string {
  return type.replace('Gridpost/', 'Microsoft.EventGrid/');
}
