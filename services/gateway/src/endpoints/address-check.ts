/**
 * Where a subscription's requests would go is looked at before it is written, so that who writes it is told. What counts is
 * the look at every connection: a name may lead elsewhere by then.
 */
import type { Egress } from '@gridpost/egress';
import {
  type Clock,
  type Credentials,
  endpointOf,
  type FieldError,
  type FunctionApps,
} from '@gridpost/model';
import type { WrittenProperties } from '../subscription-resource.js';
import { invalidResource } from '../validation.js';

/** A name that takes longer to be resolved is taken for one that cannot be. */
const lookupMs = 2_000;

export interface AddressCheckOptions {
  readonly egress: Egress;
  readonly functionApps: FunctionApps;
  readonly clock: Clock;
}

/** Throws `InvalidResource` for what this deployment does not connect to, in the same words whatever it is. */
export async function checkAddresses(
  { properties, at }: WrittenProperties,
  { egress, functionApps, clock }: AddressCheckOptions,
): Promise<void> {
  const { destination, deadLetterDestination } = properties;
  const places = new Map<string, string>();
  const endpoint = destination && endpointOf(destination, functionApps);
  if (endpoint) {
    const byId =
      destination.endpointType === 'AzureFunction' && destination.properties.resourceId !== undefined;
    places.set(`${at}/destination/properties/${byId ? 'resourceId' : 'endpointUrl'}`, endpoint.url);
  }
  addTokenUrl(places, `${at}/destination`, destination?.properties.credentials);
  if (deadLetterDestination?.endpointType === 'WebHook') {
    const { endpointUrl, credentials } = deadLetterDestination.properties;
    places.set(`${at}/deadLetterDestination/properties/endpointUrl`, endpointUrl);
    addTokenUrl(places, `${at}/deadLetterDestination`, credentials);
  }
  const faults = await Promise.all(
    [...places].map(async ([pointer, url]): Promise<FieldError[]> => {
      return (await allowed(url, egress, clock)) ? [] : [{ pointer, message }];
    }),
  );
  if (faults.flat().length > 0) throw invalidResource(faults.flat());
}

function addTokenUrl(places: Map<string, string>, at: string, credentials: Credentials | undefined): void {
  if (credentials?.type === 'oauth2')
    places.set(`${at}/properties/credentials/tokenUrl`, credentials.tokenUrl);
}

const message = 'names an address that this deployment does not connect to (GRIDPOST_EGRESS_ALLOW)';

async function allowed(url: string, egress: Egress, clock: Clock): Promise<boolean> {
  let stop = (): void => {};
  const late = new Promise<true>((resolve) => {
    const timer = clock.after(lookupMs, () => resolve(true));
    stop = () => timer.cancel();
  });
  try {
    return await Promise.race([egress.allows(url), late]);
  } finally {
    stop();
  }
}
