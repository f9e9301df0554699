/**
 * Events on the wire: requests to events, events to deliveries, in the schemas of CloudEvents and of Event Grid. What an
 * event is inside stands in the model.
 */
export { type DomainEvent, expectDomainTopics, type ToDomain, type ToTopic } from './addressing.js';
export * from './custom.js';
export * from './dead-letter.js';
export * from './decode.js';
export * from './encode.js';
export { encodeBatch, encodeOne } from './encode-schema.js';
export * from './event-grid.js';
export { fitsHeader, headerText } from './header-value.js';
export type { RequestRules } from './rules.js';
