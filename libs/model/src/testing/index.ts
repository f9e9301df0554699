/** Test doubles for the edges of the process: the clock and chance; and certificates. Everything else in tests is real. */
export { type TestCertificate, makeCertificate } from './certificate.js';
export { FakeClock } from './clock.js';
export { seededRandom } from './random.js';
