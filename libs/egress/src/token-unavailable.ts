/** Why there is no token. The message names neither the token endpoint nor anything that was sent to it. */
export class TokenUnavailable extends Error {
  readonly code = 'ERR_TOKEN_UNAVAILABLE';

  constructor(what: string) {
    super(`no token: ${what}`);
  }
}
