/** The HTTP surface: publishing, management, and what operators' machines ask. */
export { createGateway, type Gateway, type GatewayOptions } from './gateway.js';
export type { Check } from './ops.js';
export type { TlsPair } from './http-server.js';
