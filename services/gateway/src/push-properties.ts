/** How events are pushed, as it is written and shown: the same for every kind of endpoint. */
import { eventsPerBatch, type FieldError, limits, type PushProperties } from '@gridpost/model';
import { mappingFaults, mappingsOf, mappingsView, type WrittenMapping } from './delivery-attributes.js';
import type { Optional } from './validation.js';

export type WrittenPushProperties = Optional<
  Omit<PushProperties, 'deliveryAttributeMappings'> & {
    readonly deliveryAttributeMappings: readonly WrittenMapping[];
  }
>;

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
  };
}

/** What a schema cannot say. `at` is the pointer to the properties. */
export function pushFaults(written: WrittenPushProperties, at: string): FieldError[] {
  const faults = mappingFaults(written.deliveryAttributeMappings ?? [], `${at}/deliveryAttributeMappings`);
  if (written.contentMode === 'binary' && eventsPerBatch(written) > 1) {
    const message =
      'saw "binary", expected "structured" for batches: one request in binary mode is one event';
    faults.push({ pointer: `${at}/contentMode`, message });
  }
  return faults;
}

/** As it is shown: the values of secret headers are null. */
export function pushView({ deliveryAttributeMappings, ...others }: PushProperties): object {
  if (deliveryAttributeMappings === undefined) return others;
  return { ...others, deliveryAttributeMappings: mappingsView(deliveryAttributeMappings) };
}
