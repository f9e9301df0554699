/**
 * Finds topics and domains for the publish route. One that this process does not know may just have been made through another
 * gateway, so a miss looks into the store before it is believed.
 */
import type { Clock, Scope } from '@gridpost/model';
import type { RegisteredTopic, Registry } from '@gridpost/registry';
import { RegistryLook } from './registry-look.js';

export class TopicLookup {
  readonly #registry: Registry;
  readonly #look: RegistryLook;

  constructor(registry: Registry, clock: Clock) {
    this.#registry = registry;
    this.#look = new RegistryLook(registry, clock);
  }

  /** The topic or domain if this process knows it: a Map's look-up. */
  known(scope: Scope): RegisteredTopic | undefined {
    return this.#registry.topic(scope);
  }

  /** The topic or domain as of now, after a miss. Rejects as the store does. */
  async seek(scope: Scope): Promise<RegisteredTopic | undefined> {
    await this.#look.take();
    return this.#registry.topic(scope);
  }
}
