/**
 * Azure Resource Manager's routes, as data. They are another face of the routes in `../routes.ts` and are described by
 * Azure's own specification, not by the OpenAPI document; docs/azure.md says what is different.
 */
import type { Context } from '../context.js';
import { domainTopicRoutes } from '../domain-topics.js';
import type { Route } from '../route.js';
import { subscriptionRoutes } from '../subscriptions.js';
import { topicRoutes } from '../topics.js';
import { NativeRoutes } from './native.js';
import { armSubscriptionRoutes } from './subscriptions.js';
import { deploymentRoutes } from './template/deployments.js';
import { armDomainTopicRoutes, armTopicRoutes } from './topics.js';

export function armRoutes(context: Context): Route[] {
  const native = new NativeRoutes([
    ...topicRoutes(context),
    ...domainTopicRoutes(context),
    ...subscriptionRoutes(context),
  ]);
  return [
    ...armTopicRoutes(context, native),
    ...armDomainTopicRoutes(native),
    ...armSubscriptionRoutes(context, native),
    ...deploymentRoutes(context, native),
  ];
}
