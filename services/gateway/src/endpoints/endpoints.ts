/** What the gateway has to do with endpoints, put together: who is asked, who is told, and by which requests. */
import type { Egress } from '@gridpost/egress';
import type { Clock, Log } from '@gridpost/model';
import type { Metrics } from '@gridpost/metrics';
import type { Registry } from '@gridpost/registry';
import type { Store } from '@gridpost/store';
import type { WrittenProperties } from '../subscription-resource.js';
import { checkAddresses } from './address-check.js';
import { DeletionNotices } from './deletion-notices.js';
import { HandshakeSecrets } from './handshake-secrets.js';
import { Handshakes } from './handshakes.js';
import { Outgoing } from './outgoing.js';
import type { EndpointPolicy } from './provisioning.js';

export interface EndpointsOptions {
  readonly store: Store;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly rootKey: Buffer;
  readonly policy: EndpointPolicy;
  readonly egress: Egress;
}

export class Endpoints {
  readonly policy: EndpointPolicy;
  readonly secrets: HandshakeSecrets;
  readonly handshakes: Handshakes;
  readonly deletionNotices: DeletionNotices;
  readonly #outgoing: Outgoing;
  readonly #egress: Egress;
  readonly #clock: Clock;

  constructor({ rootKey, policy, egress, ...options }: EndpointsOptions) {
    const { clock, log } = options;
    this.policy = policy;
    this.secrets = new HandshakeSecrets(rootKey);
    this.#egress = egress;
    this.#clock = clock;
    this.#outgoing = new Outgoing(clock, egress);
    const { functionApps } = policy;
    const outgoing = this.#outgoing;
    this.handshakes = new Handshakes({ ...options, functionApps, outgoing, secrets: this.secrets });
    this.deletionNotices = new DeletionNotices({ clock, log, functionApps, outgoing });
  }

  /** Throws `InvalidResource` where a subscription's requests would go to what may not be connected to. */
  check(written: WrittenProperties): Promise<void> {
    const { functionApps } = this.policy;
    return checkAddresses(written, { egress: this.#egress, functionApps, clock: this.#clock });
  }

  /** `publicUrl`: where endpoints reach the gateways; its host is the origin that they are asked to allow. */
  start(publicUrl: string): void {
    this.handshakes.start(publicUrl);
  }

  /** Ends every request under way. What was being asked is asked again by others. Safe to call twice. */
  async close(): Promise<void> {
    this.handshakes.stop();
    await this.#outgoing.close();
    await this.handshakes.settled();
  }
}
