/** From checked events to durable ones. */
export { type Published, Publisher, type PublisherOptions } from './publisher.js';
