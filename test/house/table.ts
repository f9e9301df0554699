/**
 * Who may import whom, who may reach for ambient things, and why. Adding a room means adding a row; an exception
 * needs its reason written beside it.
 */
import type { Ambient } from './sources.js';

const ports = [
  'model',
  'codec',
  'attempt-log',
  'routing',
  'store',
  'metrics',
  'registry',
  'ingest',
  'egress',
];

/** Rooms that a room may import. `*`: any. A room that is not named here fails the test until it is given a row. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  model: [],
  codec: ['model'],
  'attempt-log': ['model'],
  routing: ['model'],
  store: ['model'],
  metrics: ['model'],
  'store-lmdb': ['store', 'model'],
  'store-redis': ['store', 'model'],
  registry: ['model', 'routing', 'store'],
  ingest: ['model', 'routing', 'store'],
  egress: ['model'],
  // Never each other, and never an adapter: what they need of the store is in the port.
  gateway: ports,
  delivery: ports,
  server: ['*'],
};

/**
 * Folders with which a room lets others test: they run under jest, so they may use what only tests have, and they
 * drive real processes and clocks.
 */
export const testingFolders = ['testing', 'suite'];

export interface Exception {
  /** A file, or a folder ending in a slash. */
  readonly where: string;
  readonly what: readonly Ambient[];
  readonly why: string;
}

export const exceptions: readonly Exception[] = [
  {
    where: 'libs/model/src/clock.ts',
    what: ['time', 'timer'],
    why: 'it is the clock that everybody else is given',
  },
  {
    where: 'libs/store-lmdb/',
    what: ['time', 'timer'],
    why: 'a store has its own clock: due times and leases are added to it',
  },
  {
    where: 'libs/store-redis/',
    what: ['time', 'timer'],
    why: 'connections are watched in real time; due times and leases are of the server’s clock',
  },
  {
    where: 'libs/metrics/src/process.ts',
    what: ['time'],
    why: 'the instant at which the process started is a fact about it, not a moment of ours',
  },
  {
    where: 'services/server/',
    what: ['environment', 'time', 'timer', 'random'],
    why: 'the composition root reads the environment and gives the others their clock and their randomness',
  },
];
