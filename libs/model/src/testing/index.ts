/** Test doubles for the edges of the process: the clock and chance; and real certificates and endpoints. Everything else in tests is real. */
export { type TestCertificate, makeCertificate } from './certificate.js';
export { agree, type Answer, answer, Endpoint, type Received } from './endpoint.js';
export { FakeClock } from './clock.js';
export { seededRandom } from './random.js';
