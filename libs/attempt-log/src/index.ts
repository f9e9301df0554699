/** The attempt log's records, and the blocks that they are packed into. Where blocks are kept is the store's business. */
export * from './block-reader.js';
export { BlockWriter } from './block-writer.js';
export { recordsOfLetters } from './dead-letters.js';
export * from './record.js';
