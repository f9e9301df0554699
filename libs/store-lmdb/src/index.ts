/** The embedded store: one process, one directory, durable on disk. */
export { type LmdbStoreOptions, openLmdbStore } from './open.js';
