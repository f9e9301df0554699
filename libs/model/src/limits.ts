/**
 * Every bound that a user can meet, in one place, with its unit and its source.
 * A limit that a deployment may change is a setting whose default stands here.
 */

/** Largest single event as it was sent, in bytes ("Quotas and limits" of Event Grid: 1 MB). */
export const eventBytesMax = 1_048_576;

/** Largest publish request body, in bytes (Event Grid was observed to take 1,536,000). */
export const requestBytesMax = 1_572_864;

/** Most events in one publish request ("Quotas and limits" of Event Grid). */
export const requestEventsMax = 5_000;

/** Deepest nesting of objects and arrays accepted in an event. Deeper JSON is refused before anything recurses. */
export const jsonDepthMax = 64;

/** Most context attributes of one event, `specversion` included. The frame stores the count in one byte. */
export const attributesMax = 100;

/** Longest attribute name. CloudEvents §"Naming" asks for at most 20; longer ones are seen in the wild and allowed. */
export const attributeNameMax = 64;

/** Most events packed into one log entry, and the most bytes of one entry unless a single event is larger. */
export const entryEventsMax = 128;
export const entryBytesMax = 262_144;

/** Management request body, in bytes. */
export const managementBodyBytesMax = 262_144;

/** Attempts per delivery (`maxDeliveryAttempts` of Event Grid, "Message delivery and retry"). */
export const deliveryAttempts = { min: 1, max: 30, default: 30 } as const;

/** Time to live of a delivery in minutes (`eventTimeToLiveInMinutes`, same page). */
export const timeToLiveMinutes = { min: 1, max: 1440, default: 1440 } as const;

/** A retry policy's own schedule that grows: seconds, and the share of a delay that varies both ways. */
export const backoff = {
  first: 10,
  max: 3_600,
  factor: { min: 1, max: 10, default: 2 },
  jitter: { min: 0, max: 0.5, default: 0.1 },
} as const;

/** Total deadline of one attempt, in seconds (30 in Event Grid, same page). */
export const attemptTimeoutSeconds = { min: 1, max: 230, default: 30 } as const;

/** Failures in a row that lead into probation (0: none do), and seconds between two probes at most. */
export const probationFailures = { min: 0, max: 1_000, default: 10 } as const;
export const probeSeconds = { min: 5, max: 3_600, default: 300 } as const;

/** Events of one delivery, and its size aimed at in units of 1,024 bytes (same page, "Output batching"). */
export const batchEvents = { min: 1, max: 5_000, default: 1 } as const;
export const batchKilobytes = { min: 1, max: 1_024, default: 64 } as const;

/** Custom headers of a subscription's deliveries, and UTF-8 bytes of a value ("Custom delivery properties"). */
export const deliveryAttributesMax = 10;
export const deliveryAttributeBytesMax = 4_096;
/** UTF-8 bytes of a custom header's name, and of the path to its value: what a filter may have as well. */
export const deliveryAttributeNameBytesMax = 256;
export const sourceFieldBytesMax = 1_024;

/** How much of an endpoint's response is read, in bytes; the rest is discarded with the connection. */
export const responseBytesMax = 65_536;

/** Retention of a topic's history, in days: 0 keeps none. Event Grid namespaces allow up to 7. */
export const retentionDays = { min: 0, max: 7, default: 0 } as const;

/** Bytes of a topic's history, where it is bounded by bytes at all. */
export const retentionBytes = { min: 65_536, max: 2 ** 50 } as const;

/**
 * Window of a topic's duplicate detection in minutes. Service Bus, from which the idea and the default are, has 20 seconds
 * to 7 days ("Duplicate detection"); a day outlives every publisher's retries, and every minute costs memory.
 */
export const duplicateWindowMinutes = { min: 1, max: 1_440, default: 10 } as const;

/** Events that a topic with duplicate detection remembers at once; at least two requests of the largest kind. */
export const duplicateIdentities = { min: 10_000, max: 100_000_000, default: 1_000_000 } as const;

/** Subscriptions of one topic (Event Grid: 500; indexed matching makes many more affordable). A setting. */
export const subscriptionsPerTopicMax = { min: 1, max: 1_000_000, default: 100_000 } as const;

/** Named keys of the management API. */
export const managementKeysMax = 200;

/** Topics and domains of one deployment. A setting. */
export const topicsMax = { min: 1, max: 100_000, default: 10_000 } as const;

/** What publishers may send to one topic (Event Grid: 5,000 events or 5 MB a second; none here unless it is set). */
export const publishEventsPerSecond = { min: 1, max: 1_000_000_000 } as const;
export const publishBytesPerSecond = { min: 1, max: 1_000_000_000_000 } as const;

/** What the subscriptions of one topic may hold before its publishers are refused; none unless it is set. */
export const publishDeferredBytesMax = { min: 1, max: 1_000_000_000_000_000 } as const;

/** Topics of one domain ("Quotas and limits" of Event Grid). */
export const domainTopicsMax = 100_000;

/** Entries of one page of a list: default and most. */
export const pageSize = { default: 100, max: 1_000 } as const;

/** Events of one `receive`, and how long it waits for the first (Event Grid namespaces, "Receive"). */
export const receiveEvents = { min: 1, max: 100, default: 1 } as const;
export const receiveWaitSeconds = { min: 10, max: 120, default: 60 } as const;

/** Pull subscriptions (Event Grid namespaces, `QueueInfo`). */
export const receiveLockSeconds = { min: 60, max: 300, default: 60 } as const;
export const receptions = { min: 1, max: 10, default: 10 } as const;
/** Event Grid keeps events for as long as the topic's retention, at most 7 days. */
export const queueTimeToLiveMs = { min: 60_000, max: 7 * 86_400_000, default: 7 * 86_400_000 } as const;

/** Events or dead letters that a job handles in a second. */
export const jobRate = { min: 1, max: 10_000, default: 100 } as const;
/** Jobs of a deployment that are queued or running. */
export const jobsMax = 100;
/** Jobs that are over are kept for so long, and no more than so many. */
export const jobsKeptMs = 7 * 86_400_000;
export const jobsKeptMax = 100;

/** Bytes of a secret that signs (Standard Webhooks, "Signature scheme": 24 to 64), and those of one that is made here. */
export const signingSecretBytes = { min: 24, max: 64, default: 32 } as const;
/** How long a secret that was rotated goes on signing, in seconds: a day by default, at most a week; 0 ends it. */
export const signingOverlapSeconds = { min: 0, max: 604_800, default: 86_400 } as const;
/** Secrets that sign a request at once: each costs time and space in its header. */
export const signingKeysMax = 4;
