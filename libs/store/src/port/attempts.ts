/** The attempt log as the store has it: blocks of bytes, of which the store knows no more than their kind and time. */

/** The attempt log's two parts: attempts that failed and what was given up, and everything else. */
export const attemptKinds = ['failures', 'successes'] as const;
export type AttemptKind = (typeof attemptKinds)[number];

/** Records of attempts, packed; opaque to the store (`libs/attempt-log`). At most 512 KiB, and not empty. */
export interface AttemptBlock {
  readonly kind: AttemptKind;
  readonly block: Buffer;
}

/** A block that was written and its name: instant of the store's clock, and what tells it from others of that instant. */
export interface StoredAttemptBlock {
  /** `<instant>-<number>`, both decimal; within a partition and kind they only grow, by instant and then by number. */
  readonly id: string;
  readonly block: Buffer;
}

export interface AttemptPage {
  /** Newest first. At least one if there is any, even if it alone is over `bytesMax`. */
  readonly blocks: readonly StoredAttemptBlock[];
  /** Whether there may be older ones. */
  readonly more: boolean;
}

/** What is held of one kind of attempts in one partition. */
export interface AttemptUsage {
  /** In charged bytes (`chargedBlockBytes`). */
  readonly bytes: number;
  /** Blocks let go of so far. */
  readonly shed: number;
  /** Everything written from this instant on is held; undefined while nothing was let go of. */
  readonly heldFrom: number | undefined;
}
