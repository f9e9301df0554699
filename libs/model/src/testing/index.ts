/** Test doubles for the edges of the process: the clock and chance. Everything else in tests is real. */
export { FakeClock } from './clock.js';
export { seededRandom } from './random.js';
