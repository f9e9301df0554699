/** Why nothing was connected to. The same for every address, so that it tells nothing about a network. */
export class AddressNotAllowed extends Error {
  readonly code = 'ERR_ADDRESS_NOT_ALLOWED';

  constructor() {
    super('the address is not allowed');
  }
}
