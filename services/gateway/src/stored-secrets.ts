/**
 * Secrets are not shown, so what was read lacks them; written again it keeps those that are stored, where that gives
 * nobody what he could not have otherwise.
 */
import {
  type Destination,
  endpointOf,
  type FunctionApps,
  type SubscriptionProperties,
} from '@gridpost/model';
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
  const properties = { ...written, ...lettersOf(written, before, at) };
  if (!properties.destination) return { properties, made: {} };
  const urlOf = (one: Destination): string | undefined => endpointOf(one, apps)?.url;
  const destination = withStoredSecret(
    properties.destination,
    before?.destination,
    `${at}/destination`,
    urlOf,
  );
  if (!properties.signing) return { properties: { ...properties, destination }, made: {} };
  const signing = keyed(properties.signing, before?.signing, now);
  const made = secretMade(signing, before?.signing, properties.signing.keys[0]?.secret);
  return { properties: { ...properties, destination, signing }, made };
}

function lettersOf(
  { deadLetterDestination: written }: SubscriptionProperties,
  before: SubscriptionProperties | undefined,
  at: string,
): Pick<SubscriptionProperties, 'deadLetterDestination'> {
  if (written?.endpointType !== 'WebHook') return {};
  const stored = before?.deadLetterDestination;
  const hook = stored?.endpointType === 'WebHook' ? stored : undefined;
  const urlOf = (one: typeof written): string => one.properties.endpointUrl;
  return {
    deadLetterDestination: withStoredSecret(written, hook, `${at}/deadLetterDestination`, urlOf),
  };
}
