/** Where a subscription's dead letters are to be written: how it is put, what of it is allowed, and how it is shown. */
import {
  bucketRule,
  type DeadLetterDestination,
  type FieldError,
  isBucketName,
  isPath,
  pathRule,
} from '@gridpost/model';
import { endpointBaseUrl, endpointUrlFault } from './endpoint-url.js';
import { shown } from './validation.js';

/** What the deployment has set up. Webhooks need nothing of it. */
export interface DeadLetterPlaces {
  readonly directory: boolean;
  readonly s3: boolean;
}

type Member = 'path' | 'bucket' | 'prefix' | 'endpointUrl';

export interface WrittenDeadLetterDestination {
  readonly endpointType: DeadLetterDestination['endpointType'];
  readonly properties: { readonly [K in Member]?: string | null };
}

interface Written {
  readonly deadLettering?: boolean | null;
  readonly deadLetterDestination?: WrittenDeadLetterDestination | null;
}

const members: Readonly<Record<DeadLetterDestination['endpointType'], readonly Member[]>> = {
  Directory: ['path'],
  S3: ['bucket', 'prefix'],
  WebHook: ['endpointUrl'],
};
const optional: readonly Member[] = ['prefix'];

/** The destination as it is kept: only what is not null. It has no faults. */
export function deadLetterDestinationOf({ deadLetterDestination: written }: Written): {
  readonly deadLetterDestination?: DeadLetterDestination;
} {
  if (written == null) return {};
  const { endpointType, properties } = written;
  const kept = members[endpointType].filter((name) => properties[name] != null);
  const deadLetterDestination = {
    endpointType,
    properties: Object.fromEntries(kept.map((name) => [name, properties[name]])),
  };
  return { deadLetterDestination: deadLetterDestination as never };
}

/** What a schema cannot say. `at`: the pointer to the subscription's properties. */
export function deadLetterDestinationFaults(
  { deadLettering, deadLetterDestination: written }: Written,
  at: string,
  places: DeadLetterPlaces,
): FieldError[] {
  if (written == null) return [];
  const { endpointType, properties } = written;
  const faults: FieldError[] = [];
  const fault = (name: string, message: string): void =>
    void faults.push({ pointer: `${at}/deadLetterDestination${name}`, message });
  if (deadLettering === false) fault('', 'expected none: deadLettering is false, so that nothing is kept');
  const missing = missingSetting(endpointType, places);
  if (missing) fault('/endpointType', `saw ${shown(endpointType)}, which needs the setting ${missing}`);
  for (const name of new Set(Object.values(members).flat())) {
    const value = properties[name];
    const wanted = members[endpointType].includes(name);
    if (value == null) {
      if (wanted && !optional.includes(name)) fault(`/properties/${name}`, 'is missing');
    } else if (wanted) {
      const message = faultOf[name](value);
      if (message) fault(`/properties/${name}`, message);
    } else fault(`/properties/${name}`, `is not a property of the type ${endpointType}`);
  }
  return faults;
}

function missingSetting(
  type: DeadLetterDestination['endpointType'],
  places: DeadLetterPlaces,
): string | undefined {
  if (type === 'Directory' && !places.directory) return 'GRIDPOST_DEAD_LETTER_DIRECTORY';
  if (type === 'S3' && !places.s3) return 'GRIDPOST_DEAD_LETTER_S3_ACCESS_KEY_ID';
  return undefined;
}

const pathFault = (text: string): string | undefined =>
  isPath(text) ? undefined : `saw ${shown(text)}, expected ${pathRule}`;

const faultOf: Readonly<Record<Member, (text: string) => string | undefined>> = {
  path: pathFault,
  prefix: pathFault,
  bucket: (text) => (isBucketName(text) ? undefined : `saw ${shown(text)}, expected ${bucketRule}`),
  endpointUrl: endpointUrlFault,
};

/** As it is shown: of a URL, which often holds a secret in its query, only the part before that. */
export function deadLetterDestinationView(destination: DeadLetterDestination | undefined): object {
  if (!destination) return {};
  if (destination.endpointType !== 'WebHook') return { deadLetterDestination: destination };
  const { endpointType, properties } = destination;
  const shown = { endpointBaseUrl: endpointBaseUrl(properties.endpointUrl) };
  return { deadLetterDestination: { endpointType, properties: shown } };
}
