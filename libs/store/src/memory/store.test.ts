import { FakeClock } from '@gridpost/model/testing';
import { describeStore } from '../suite/index.js';
import { MemoryStore } from './store.js';

describeStore(
  'memory',
  async (limits) => {
    const clock = new FakeClock();
    const store = new MemoryStore({ partitions: 2, limits, clock });
    return { store, advance: (ms) => clock.advance(ms), close: () => store.close() };
  },
  {
    lacks: {
      reopening: 'nothing outlives the process',
      sharing: 'it is in one process',
    },
  },
);
