/**
 * All routes of the Express application, as data. What is served ahead of it stands beside: publishing (`publish-route.ts`) and
 * receiving (`pull/pull-route.ts`).
 */
import { deliveryRoutes } from './attempts/deliveries.js';
import { eventRoutes } from './attempts/event-life.js';
import { auditRoutes } from './audit/routes.js';
import type { Context } from './context.js';
import { deadLetterActionRoutes } from './dead-letter-actions.js';
import { deadLetterRoutes } from './dead-letters.js';
import { domainTopicRoutes } from './domain-topics.js';
import { handshakeRoutes } from './endpoints/routes.js';
import { filterRoutes } from './filters.js';
import { replayRoutes } from './jobs/replay.js';
import { jobRoutes } from './jobs/routes.js';
import { openApiDocument } from './openapi.js';
import { type OpsOptions, opsRoutes } from './ops.js';
import { managementKeyRoutes } from './management-key-routes.js';
import { subscriptionKeyRoutes } from './pull/key-routes.js';
import { pullRoutes } from './pull/pull-target.js';
import type { Route } from './route.js';
import { signingRoutes } from './signing-routes.js';
import { standingRoutes } from './standing.js';
import { subscriptionRoutes } from './subscriptions.js';
import { topicRoutes } from './topics.js';

/** What a gateway serves through Express. */
export function gatewayRoutes(context: Context, ops: OpsOptions): Route[] {
  const routes: Route[] = [
    ...topicRoutes(context),
    ...domainTopicRoutes(context),
    ...subscriptionRoutes(context),
    ...standingRoutes(context),
    ...signingRoutes(context),
    ...handshakeRoutes(context),
    ...deadLetterRoutes(context),
    ...deadLetterActionRoutes(context),
    ...replayRoutes(context),
    ...jobRoutes(context),
    ...subscriptionKeyRoutes(context),
    ...managementKeyRoutes(context),
    ...eventRoutes(context),
    ...deliveryRoutes(context),
    ...auditRoutes(context),
    ...filterRoutes(context),
    {
      method: 'GET',
      path: '/openapi.json',
      role: 'reader',
      async handle(_req, res) {
        res.json(document);
      },
    },
    ...opsRoutes(ops),
  ];
  const document = openApiDocument(ops.version, [...routes, ...pullRoutes]);
  return routes;
}
