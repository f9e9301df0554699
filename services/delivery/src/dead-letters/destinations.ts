/** Takes batches to where a subscription wants its dead letters, if the deployment has set up such a place. */
import { createHash } from 'node:crypto';
import { type Connector, type OAuthTokens, plainConnector, Signer } from '@gridpost/egress';
import {
  type Clock,
  type DeadLetterDestination,
  endpointAt,
  isPath,
  type Subscription,
  type TlsIdentity,
} from '@gridpost/model';
import { Connections } from '../requests/connections.js';
import type { DeliverySettings } from '../settings.js';
import type { Batch } from './batch.js';
import { writeFile } from './directory.js';
import { type BatchRequest, Requests } from './requests.js';
import { putObject, type S3Account } from './s3.js';

/** Where dead letters may be written, beside webhooks. */
export interface Places {
  /** An existing directory, below which the paths of subscriptions lie. Default: none, and nothing is written there. */
  readonly directory?: string | undefined;
  /** Whose buckets subscriptions may name. Default: none. */
  readonly s3?: S3Account | undefined;
}

export interface DestinationsOptions {
  readonly clock: Clock;
  readonly settings: DeliverySettings;
  /** Of webhooks. */
  readonly connector: (tls?: TlsIdentity) => Connector;
  readonly tokens: OAuthTokens;
  readonly places: Places;
}

export class Destinations {
  readonly #options: DestinationsOptions;
  readonly #hooks: Connections;
  /** What the deployment names itself needs no guard. */
  readonly #account: Connections;
  readonly #toHooks: Requests;
  readonly #toAccount: Requests;

  constructor(options: DestinationsOptions) {
    const { clock, connector, settings } = options;
    const { connectTimeoutMs, connectionsPerOrigin } = settings;
    this.#options = options;
    this.#hooks = new Connections({ connector, connectionsPerOrigin });
    const plain = plainConnector(connectTimeoutMs);
    this.#account = new Connections({ connector: () => plain, connectionsPerOrigin });
    this.#toHooks = new Requests(this.#hooks, clock);
    this.#toAccount = new Requests(this.#account, clock);
  }

  /** Resolves when the subscription's destination has the batch for good. Taking one there again is harmless. */
  async write(subscription: Subscription, batch: Batch): Promise<void> {
    const { clock, places } = this.#options;
    const { directory, s3 } = places;
    const { deadLetterDestination: destination } = subscription.properties;
    switch (destination?.endpointType) {
      case 'Directory': {
        const { path } = destination.properties;
        if (directory === undefined) throw new Error('this worker has no GRIDPOST_DEAD_LETTER_DIRECTORY');
        // Checked where subscriptions are written; here the disk is at stake.
        if (!isPath(path)) throw new Error('the path is none');
        return writeFile(directory, `${path}/${batch.name}`, batch.body);
      }
      case 'S3': {
        const { bucket, prefix } = destination.properties;
        if (s3 === undefined) throw new Error('this worker has no GRIDPOST_DEAD_LETTER_S3_ACCESS_KEY_ID');
        const key = prefix === undefined ? batch.name : `${prefix}/${batch.name}`;
        return this.#toAccount.send(await putObject(s3, bucket, key, batch, clock));
      }
      case 'WebHook':
        return this.#toHooks.send(this.#toHook(destination, subscription, batch));
      case undefined:
    }
  }

  #toHook(
    { properties }: Extract<DeadLetterDestination, { readonly endpointType: 'WebHook' }>,
    { name, properties: { signing } }: Subscription,
    { contentType, body }: Batch,
  ): BatchRequest {
    const { clock, settings, tokens } = this.#options;
    const { url, headers, oauth2, tls } = endpointAt(
      { url: properties.endpointUrl, headers: {} },
      properties,
    );
    // The same for the same documents and for no others, so that a repetition can be told (Standard Webhooks).
    const id = `dead_${createHash('sha256').update(body).digest('hex')}`;
    const signer = properties.signed && signing ? new Signer(signing) : undefined;
    return {
      url: new URL(url),
      headers: [
        ...['content-type', contentType, 'aeg-subscription-name', name],
        ...['user-agent', settings.userAgent, 'webhook-id', id],
        ...Object.entries(headers).flat(),
        ...(signer?.headers(id, body, clock.now()) ?? []),
      ],
      body,
      tls,
      tokens: oauth2 && tokens.of(oauth2),
    };
  }

  /** Ends requests that take too long. To be called about every 100 ms. */
  sweep(): void {
    this.#toHooks.sweep();
    this.#toAccount.sweep();
  }

  /** Closes connections to where nothing is written any more. */
  tidy(): void {
    this.#hooks.sweep();
    this.#account.sweep();
  }

  /** Ends the requests under way. */
  close(): void {
    this.#toHooks.close();
    this.#toAccount.close();
    this.#hooks.close();
    this.#account.close();
  }
}
