import type { Credentials, TlsTrust } from './credentials.js';

/**
 * Where a subscription's dead letters are written. Event Grid knows a container of Azure's blob storage alone; what of
 * these may be used is for the deployment to say.
 */
export type DeadLetterDestination =
  | {
      readonly endpointType: 'Directory';
      /** Below the directory that the deployment sets: names of directories, between slashes. */
      readonly properties: { readonly path: string };
    }
  | {
      readonly endpointType: 'S3';
      /** The account is the deployment's. `prefix`: what names of objects begin with, in the form of `path`. */
      readonly properties: { readonly bucket: string; readonly prefix?: string };
    }
  | {
      readonly endpointType: 'WebHook';
      readonly properties: {
        readonly endpointUrl: string;
        readonly credentials?: Credentials;
        /** Absent: the system's authorities are trusted. */
        readonly tls?: TlsTrust;
        /** Whether requests are signed with the subscription's secrets, as its events are. Default: they are not. */
        readonly signed?: boolean;
      };
    };

export type DeadLetterDestinationType = DeadLetterDestination['endpointType'];

export const deadLetterDestinationTypes = [
  'Directory',
  'S3',
  'WebHook',
] as const satisfies readonly DeadLetterDestinationType[];

/** No segment begins with a dot, so that none leads upwards and none is hidden. */
const path = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}(\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63})*$/;
const pathCharactersMax = 256;
/** Amazon S3, "General purpose bucket naming rules", as far as they can be told from single characters. */
const bucket = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

export const pathRule =
  'names of 1 to 64 letters, digits, dots, hyphens or underscores between slashes, none beginning with a dot, at most 256 characters in all';
export const bucketRule =
  '3 to 63 small letters, digits, dots or hyphens, a letter or digit at either end, no two dots together';

export function isPath(text: string): boolean {
  return text.length <= pathCharactersMax && path.test(text);
}

export function isBucketName(text: string): boolean {
  return bucket.test(text) && !text.includes('..');
}
