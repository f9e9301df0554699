/** Where a subscription's dead letters are to be written: how it is put, what of it is allowed, and how it is shown. */
import {
  bucketRule,
  type DeadLetterDestination,
  type FieldError,
  isBucketName,
  isPath,
  pathRule,
} from '@gridpost/model';
import { accessFaults, accessOf, credentialsView, type WrittenAccess } from './credentials-resource.js';
import { endpointBaseUrl, endpointUrlFault } from './endpoint-url.js';
import { shown } from './validation.js';

/** What the deployment has set up. Webhooks need nothing of it. */
export interface DeadLetterPlaces {
  readonly directory: boolean;
  readonly s3: boolean;
}

type Text = 'path' | 'bucket' | 'prefix' | 'endpointUrl';
type Member = Text | keyof WrittenAccess | 'signed';

export interface WrittenDeadLetterDestination {
  readonly endpointType: DeadLetterDestination['endpointType'];
  readonly properties: { readonly [K in Text]?: string | null } & WrittenAccess & {
      readonly signed?: boolean | null;
    };
}

interface Written {
  readonly deadLettering?: boolean | null;
  readonly deadLetterDestination?: WrittenDeadLetterDestination | null;
  readonly signing?: object | null;
}

const members: Readonly<Record<DeadLetterDestination['endpointType'], readonly Member[]>> = {
  Directory: ['path'],
  S3: ['bucket', 'prefix'],
  WebHook: ['endpointUrl', 'credentials', 'tls', 'signed'],
};
const optional: readonly Member[] = ['prefix', 'credentials', 'tls', 'signed'];

/** The destination as it is kept: only what is not null. It has no faults, but may lack a secret that is stored. */
export function deadLetterDestinationOf({ deadLetterDestination: written }: Written): {
  readonly deadLetterDestination?: DeadLetterDestination;
} {
  if (written == null) return {};
  const { endpointType, properties } = written;
  const { credentials, tls, signed, ...texts } = properties;
  const kept = Object.entries(texts).filter(
    ([name, text]) => text != null && members[endpointType].includes(name as Member),
  );
  const deadLetterDestination = {
    endpointType,
    properties: {
      ...Object.fromEntries(kept),
      ...accessOf(properties),
      ...(signed ? { signed } : {}),
    },
  };
  return { deadLetterDestination: deadLetterDestination as never };
}

/** What a schema cannot say. `at`: the pointer to the subscription's properties. */
export function deadLetterDestinationFaults(
  { deadLettering, deadLetterDestination: written, signing }: Written,
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
      const message = typeof value === 'string' ? faultOf[name as Text](value) : undefined;
      if (message) fault(`/properties/${name}`, message);
    } else fault(`/properties/${name}`, `is not a property of the type ${endpointType}`);
  }
  if (endpointType !== 'WebHook') return faults;
  const { endpointUrl, signed } = properties;
  faults.push(
    ...accessFaults(properties, `${at}/deadLetterDestination/properties`, endpointUrl ?? undefined, []),
  );
  if (signed && signing == null)
    fault(
      '/properties/signed',
      'expected none or false: the subscription has no signing, whose secrets it takes',
    );
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

const faultOf: Readonly<Record<Text, (text: string) => string | undefined>> = {
  path: pathFault,
  prefix: pathFault,
  bucket: (text) => (isBucketName(text) ? undefined : `saw ${shown(text)}, expected ${bucketRule}`),
  endpointUrl: endpointUrlFault,
};

/** As it is shown: without secrets, of which the query of a URL often is one. */
export function deadLetterDestinationView(destination: DeadLetterDestination | undefined): object {
  if (!destination) return {};
  if (destination.endpointType !== 'WebHook') return { deadLetterDestination: destination };
  const { endpointType, properties } = destination;
  const { endpointUrl, credentials, ...others } = properties;
  const shown = {
    endpointBaseUrl: endpointBaseUrl(endpointUrl),
    ...others,
    ...(credentials === undefined ? {} : { credentials: credentialsView(credentials) }),
  };
  return { deadLetterDestination: { endpointType, properties: shown } };
}
