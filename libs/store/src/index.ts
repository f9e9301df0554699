/** The port to durable storage, and the byte forms its adapters share. */
export * from './pack.js';
export * from './port.js';
