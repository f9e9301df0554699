/** The port to durable storage, what its adapters share, and the in-memory reference model for tests. */
export * from './deferral-watch.js';
export { Announcements } from './announcements.js';
export * from './block-id.js';
export * from './bounds.js';
export { checkedJournals } from './checked-journals.js';
export { MemoryStore, type MemoryStoreOptions } from './memory/store.js';
export * from './pack.js';
export { Permits } from './permits.js';
export * from './port.js';
