/**
 * Secrets are not shown, so what was read lacks them; written again it keeps those that are stored, where that gives
 * nobody what he could not have otherwise.
 */
import type { FunctionApps, SubscriptionProperties } from '@gridpost/model';
import { withStoredSecret } from './credentials-resource.js';
import { keyed, secretMade } from './signing-resource.js';
import type { WrittenProperties } from './subscription-resource.js';

export interface Completed {
  readonly properties: SubscriptionProperties;
  /** Of its signing, what is shown in this answer and never again. */
  readonly made: object;
}

/** What is written, with the secrets that it leaves out. Throws `InvalidResource` if one is neither written nor kept. */
export function completed(
  { properties: written, at }: WrittenProperties,
  before: SubscriptionProperties | undefined,
  apps: FunctionApps,
  now: number,
): Completed {
  if (!written.destination) return { properties: written, made: {} };
  const destination = withStoredSecret(written.destination, before?.destination, `${at}/destination`, apps);
  if (!written.signing) return { properties: { ...written, destination }, made: {} };
  const signing = keyed(written.signing, before?.signing, now);
  const made = secretMade(signing, before?.signing, written.signing.keys[0]?.secret);
  return { properties: { ...written, destination, signing }, made };
}
