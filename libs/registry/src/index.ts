/** The topics and subscriptions of the deployment as this process knows them, kept current from the store. */
export { filtersOf, Registry, type RegisteredSubscription, type RegisteredTopic } from './registry.js';
