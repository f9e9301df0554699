/** Where secrets stand in the documents of the store. What is to be sealed at rest is listed here and nowhere else. */

/** Members on the way to a value; `*` is every item of an array. */
export type SecretPlace = readonly string[];

export interface SecretKind {
  /** Of the documents' paths. */
  readonly paths: RegExp;
  readonly places: readonly SecretPlace[];
}

const destination = ['properties', 'destination', 'properties'];

/** Documents that hold what only the deployment's own settings may open. */
export const rootKeyPlaces: readonly SecretKind[] = [{ paths: /^secrets\/root$/, places: [['key']] }];

export const secretPlaces: readonly SecretKind[] = [
  {
    paths: /\/eventsubscriptions\/[^/]+$/,
    places: [
      // Its query often holds a code.
      [...destination, 'endpointUrl'],
      [...destination, 'key'],
      [...destination, 'credentials'],
      // Also of headers that are shown: they may become secret with the next write.
      [...destination, 'deliveryAttributeMappings', '*', 'properties', 'value'],
      ['properties', 'signing', 'keys', '*', 'secret'],
      ['properties', 'deadLetterDestination', 'properties', 'endpointUrl'],
      ['properties', 'deadLetterDestination', 'properties', 'credentials'],
    ],
  },
  { paths: /^secrets\/check$/, places: [['check']] },
];

export function placesIn(kinds: readonly SecretKind[], path: string): readonly SecretPlace[] {
  return kinds.find(({ paths }) => paths.test(path))?.places ?? [];
}
