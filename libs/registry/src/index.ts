/** The topics and subscriptions of the deployment as this process knows them, kept current from the store. */
export {
  type ChangedSubscriptions,
  filtersOf,
  type RegisteredHealth,
  type RegisteredSubscription,
  type RegisteredTopic,
  Registry,
} from './registry.js';
