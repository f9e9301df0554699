/** From checked events to durable ones. */
export { Publisher, type PublisherOptions } from './publisher.js';
