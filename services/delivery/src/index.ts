/** Delivers the events of the log to the subscriptions' endpoints. */
export type { S3Account } from './dead-letters/s3.js';
export { createDelivery, type Delivery, type DeliveryOptions } from './delivery.js';
export { type DeliverySettings, defaultSettings } from './settings.js';
