/** Documents about topics, subscriptions and whatever else is configured, and what changed in them. */

/** A JSON document about a resource. Paths are `[A-Za-z0-9_./-]`, at most 256 characters, compared bytewise. */
export interface ResourceDocument {
  readonly path: string;
  /** Opaque; changes with each write. */
  readonly etag: string;
  readonly value: unknown;
}

export interface PutOptions {
  /** Write only if the stored etag is this one; `*`: only if the document exists. */
  readonly ifMatch?: string;
  /** `*`: write only if the document does not exist. */
  readonly ifNoneMatch?: '*';
  /** Write only if a document exists at this path, with this etag if one is given. */
  readonly requires?: { readonly path: string; readonly etag?: string };
}

export type PutResult =
  | { readonly kind: 'created' | 'replaced'; readonly etag: string; readonly version: number }
  | { readonly kind: 'preconditionFailed' | 'requirementMissing' };

/**
 * A change since a version: the document as it is now, or its absence. Removing a path removes all below it and is
 * one change of that path.
 */
export interface ResourceChanges {
  readonly version: number;
  /** False after a gap in the bounded change log: `documents` is then everything there is. */
  readonly complete: boolean;
  readonly changedPaths: readonly string[];
  readonly documents: readonly ResourceDocument[];
}

/**
 * Topics, subscriptions and whatever else is configured. A write that has been answered is in the change log and its
 * version is in every partition (`ReadResult.version`), so an owner that reads an entry appended after the answer sees
 * a version at least as new. Versions are whole numbers that only grow.
 */
export interface Resources {
  get(path: string): Promise<ResourceDocument | undefined>;
  /** Documents whose path begins with `prefix`, in bytewise order, after `after`, at most `max`. */
  list(prefix: string, after: string | undefined, max: number): Promise<ResourceDocument[]>;
  put(path: string, value: unknown, options?: PutOptions): Promise<PutResult>;
  /** Removes the document and all whose path begins with `path + '/'`, in one step. */
  remove(
    path: string,
    options?: { readonly ifMatch?: string },
  ): Promise<'removed' | 'missing' | 'preconditionFailed'>;
  /** What changed after `version`; 0 gives everything. */
  changes(version: number): Promise<ResourceChanges>;
}
