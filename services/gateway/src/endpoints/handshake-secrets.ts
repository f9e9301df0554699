/**
 * What proves that an answer comes from the endpoint that was asked: the code that it is sent, and the address that comes
 * with it. Both are derived from the root key and the handshake's id, so that the store holds neither.
 */
import { createHmac } from 'node:crypto';
import type { Handshake } from '@gridpost/model';
import { isSameSecret } from '../keys.js';

/** Where the address leads, below the gateway's own. */
export const validatePath = '/eventgrid/validate';

/** What an address names. */
export interface Named {
  /** Path of the subscription's document. */
  readonly subscription: string;
  readonly id: Handshake['id'];
}

export class HandshakeSecrets {
  readonly #rootKey: Buffer;

  constructor(rootKey: Buffer) {
    this.#rootKey = rootKey;
  }

  /** In the form of a UUID, as Event Grid's are. */
  codeOf(id: Handshake['id']): string {
    const hex = this.#derive(`validation-code/${id}`).toString('hex');
    return hex.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  /** The address to open, or to call back, below `publicUrl`. */
  urlOf({ subscription, id }: Named, publicUrl: string): string {
    const query = new URLSearchParams({ subscription, id, token: this.#tokenOf(subscription, id) });
    return `${publicUrl.replace(/\/$/, '')}${validatePath}?${query}`;
  }

  /** What the query of such an address names; undefined if it was not made here. Takes the same time however wrong. */
  named(query: Readonly<Record<string, unknown>>): Named | undefined {
    const { subscription, id, token } = query;
    if (typeof subscription !== 'string' || typeof id !== 'string' || typeof token !== 'string')
      return undefined;
    return isSameSecret(token, this.#tokenOf(subscription, id)) ? { subscription, id } : undefined;
  }

  #tokenOf(subscription: string, id: string): string {
    return this.#derive(`validation-address/${subscription}\n${id}`).toString('base64url');
  }

  #derive(text: string): Buffer {
    return createHmac('sha256', this.#rootKey).update(text).digest();
  }
}
