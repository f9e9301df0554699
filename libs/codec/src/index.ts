/** CloudEvents on the wire: requests to events, events to deliveries. What an event is inside stands in the model. */
export * from './decode.js';
export * from './encode.js';
