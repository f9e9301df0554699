/** Test doubles for the edges of the process: the clock and chance; certificates, endpoints, a store of objects, and ports. Everything else in tests is real. */
export { type TestCertificate, makeCertificate } from './certificate.js';
export { agree, type Answer, answer, Endpoint, type Received } from './endpoint.js';
export { FakeClock } from './clock.js';
export { freePort } from './free-port.js';
export { ObjectStore, type ObjectStoreAccount } from './object-store.js';
export { seededRandom } from './random.js';
