/** Decides which subscriptions of a topic an event is for. */
export { type CompiledFilter, compileFilter } from './filter.js';
export { RoutingIndex } from './routing-index.js';
