/** How events are pushed, as it is written and shown: the same for every kind of endpoint. */
import { eventsPerBatch, type FieldError, limits, type PushProperties } from '@gridpost/model';
import { accessFaults, accessOf, credentialsView, type WrittenAccess } from './credentials-resource.js';
import { mappingFaults, mappingsOf, mappingsView, type WrittenMapping } from './delivery-attributes.js';
import type { Optional } from './validation.js';

export type WrittenPushProperties = Optional<
  Omit<PushProperties, 'deliveryAttributeMappings' | 'credentials' | 'tls'> & {
    readonly deliveryAttributeMappings: readonly WrittenMapping[];
  }
> &
  WrittenAccess;

/** What is written, defaults filled in. What turns batches on has none. */
export function pushProperties(written: WrittenPushProperties): PushProperties {
  const { maxConcurrency, maxRatePerSecond, maxEventsPerBatch, preferredBatchSizeInKilobytes } = written;
  const { deliveryAttributeMappings, validation } = written;
  return {
    // Several SDKs mishandle the percent-encoding that binary mode requires (docs/architecture.md).
    contentMode: written.contentMode ?? 'structured',
    attemptTimeoutInSeconds: written.attemptTimeoutInSeconds ?? limits.attemptTimeoutSeconds.default,
    ...(maxConcurrency == null ? {} : { maxConcurrency }),
    ...(maxRatePerSecond == null ? {} : { maxRatePerSecond }),
    ...(maxEventsPerBatch == null ? {} : { maxEventsPerBatch }),
    ...(preferredBatchSizeInKilobytes == null ? {} : { preferredBatchSizeInKilobytes }),
    ...(deliveryAttributeMappings == null || deliveryAttributeMappings.length === 0
      ? {}
      : { deliveryAttributeMappings: mappingsOf(deliveryAttributeMappings) }),
    ...(validation == null ? {} : { validation }),
    ...accessOf(written),
  };
}

/** What a schema cannot say. `at` is the pointer to the properties, `url` the endpoint's if it is one. */
export function pushFaults(
  written: WrittenPushProperties,
  at: string,
  url: string | undefined,
): FieldError[] {
  const mappings = written.deliveryAttributeMappings ?? [];
  const faults = [
    ...mappingFaults(mappings, `${at}/deliveryAttributeMappings`),
    ...accessFaults(written, at, url, mappings),
  ];
  if (written.contentMode === 'binary' && eventsPerBatch(written) > 1) {
    const message =
      'saw "binary", expected "structured" for batches: one request in binary mode is one event';
    faults.push({ pointer: `${at}/contentMode`, message });
  }
  return faults;
}

/** As it is shown: the values of secret headers are null, and so are the secrets of credentials. */
export function pushView({ deliveryAttributeMappings, credentials, ...others }: PushProperties): object {
  return {
    ...others,
    ...(deliveryAttributeMappings === undefined
      ? {}
      : { deliveryAttributeMappings: mappingsView(deliveryAttributeMappings) }),
    ...(credentials === undefined ? {} : { credentials: credentialsView(credentials) }),
  };
}
