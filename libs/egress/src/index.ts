/** Where requests to endpoints may go, and the connections that go there. */
export { isRange } from './address.js';
export { AddressNotAllowed } from './address-not-allowed.js';
export { type Connector, plainConnector } from './connector.js';
export { Egress, type EgressOptions } from './egress.js';
export { OAuthTokens, type TokenSource } from './oauth-tokens.js';
export { Signer } from './signer.js';
export { newSigningSecret, signingPublicKey, signingSecretFault } from './signing-secret.js';
export { TokenUnavailable } from './token-unavailable.js';
