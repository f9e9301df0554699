/** The composed server, for tests that run it in their own process; `main.ts` is the program. */
export { type Configuration, ConfigurationError, parseConfiguration } from './config/configuration.js';
export { type Server, startServer } from './server.js';
