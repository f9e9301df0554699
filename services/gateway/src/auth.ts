/**
 * Who may do what. The admin key may do everything; a topic's keys may publish to that topic. Without an admin key the
 * gateway runs open (docs/architecture.md): a credential is then optional, but a wrong one is still refused, so that a mistaken
 * client finds out on the laptop and not in production.
 *
 * Wrong and missing credentials are `Unauthorized`; a topic key used for managing its own topic is `Forbidden`, since
 * it is good for something else. No message repeats any part of a credential.
 */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { GridpostError, type Topic } from '@gridpost/model';
import { digestOf, type TopicKeys } from './keys.js';

const howToPublish =
  'send a key of the topic as aeg-sas-key or as Authorization: SharedAccessKey, or the admin key as Authorization: Bearer';

export class Access {
  readonly #keys: TopicKeys;
  readonly #adminDigest: Buffer | undefined;

  constructor(keys: TopicKeys, adminKey: string | undefined) {
    this.#keys = keys;
    this.#adminDigest = adminKey === undefined ? undefined : digestOf(adminKey);
  }

  /**
   * Refuses a publish request that carries no credential although one is needed. Comes before the topic is looked up,
   * so that strangers learn nothing of which topics exist and cause no work in the store.
   */
  requireCredential(headers: IncomingHttpHeaders): void {
    if (this.#adminDigest === undefined) return;
    if (headers.authorization === undefined && headers['aeg-sas-key'] === undefined) {
      throw new GridpostError('Unauthorized', `no credential was sent; ${howToPublish}`);
    }
  }

  /** Refuses unless the credential, if any, may publish to the topic. `aeg-sas-key` decides where both are sent. */
  checkPublish(headers: IncomingHttpHeaders, topic: Topic): void {
    const key = topicKeyIn(headers);
    if (key !== undefined) {
      if (this.#keys.isKeyOf(topic, key)) return;
      throw new GridpostError('Unauthorized', `the key is none of this topic's; ${howToPublish}`);
    }
    if (headers.authorization === undefined) {
      this.requireCredential(headers);
      return;
    }
    if (!this.#isAdmin(headers.authorization)) throw this.#wrong(headers.authorization, howToPublish);
  }

  /** Refuses unless the credential, if any, may receive from the topic's subscriptions: as for publishing to it. */
  checkReceive(headers: IncomingHttpHeaders, topic: Topic | undefined): void {
    if (topic) this.checkPublish(headers, topic);
    else this.requireCredential(headers);
  }

  /** Refuses unless the credential, if any, may manage. `topic` is the one the request names, if it exists. */
  checkManage(headers: IncomingHttpHeaders, topic: Topic | undefined): void {
    const expected = 'send the admin key as Authorization: Bearer';
    const key = topicKeyIn(headers);
    if (key !== undefined) {
      throw topic && this.#keys.isKeyOf(topic, key)
        ? new GridpostError('Forbidden', `a topic key may publish to its topic and nothing else; ${expected}`)
        : new GridpostError('Unauthorized', `this is no key for managing; ${expected}`);
    }
    if (headers.authorization === undefined) {
      if (this.#adminDigest === undefined) return;
      throw new GridpostError('Unauthorized', `no credential was sent; ${expected}`);
    }
    if (!this.#isAdmin(headers.authorization)) throw this.#wrong(headers.authorization, expected);
  }

  #isAdmin(authorization: string): boolean {
    const token = credentialIn(authorization, 'bearer');
    if (token === undefined || this.#adminDigest === undefined) return false;
    // Node reads headers as latin1; these are the bytes that were sent.
    return timingSafeEqual(digestOf(Buffer.from(token, 'latin1')), this.#adminDigest);
  }

  #wrong(authorization: string, expected: string): GridpostError {
    if (credentialIn(authorization, 'bearer') === undefined) {
      return new GridpostError('Unauthorized', `the Authorization scheme is not supported; ${expected}`);
    }
    return new GridpostError(
      'Unauthorized',
      this.#adminDigest === undefined
        ? 'a bearer token was sent, but no admin key is set and so none is right; send none'
        : `the bearer token is not the admin key; ${expected}`,
    );
  }
}

function topicKeyIn(headers: IncomingHttpHeaders): string | undefined {
  const key = headers['aeg-sas-key'];
  if (key !== undefined) return String(key);
  return headers.authorization === undefined
    ? undefined
    : credentialIn(headers.authorization, 'sharedaccesskey');
}

/** What follows the scheme, which is compared without regard to case (RFC 9110 §11.1); undefined for another scheme. */
function credentialIn(authorization: string, scheme: string): string | undefined {
  const { length } = scheme;
  if (authorization.charCodeAt(length) !== 0x20 || authorization.slice(0, length).toLowerCase() !== scheme) {
    return undefined;
  }
  return authorization.slice(length + 1).trim();
}
