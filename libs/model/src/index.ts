/** The words everything else is written in. Imports nothing of Gridpost. */
export * from './bag.js';
export * from './clock.js';
export * from './dead-letter-destination.js';
export * from './errors.js';
export * from './event.js';
export * from './filters.js';
export * from './input-schema.js';
export * from './json-pointer.js';
export * from './json-value.js';
export * as limits from './limits.js';
export * from './log.js';
export * from './loopback.js';
export * from './names.js';
export * from './outcome.js';
export * from './place.js';
export * from './provisioning.js';
export * from './queue.js';
export * from './resources.js';
