/** Roles of the management API, and the named keys that have them, as they are stored. */
import type { KeyName } from './resources.js';

/** From the least to the most: each may do all that those before it may. */
export const roles = ['reader', 'operator', 'admin'] as const;

/**
 * What a caller may do with the management API. `reader`: look, at everything but secrets. `operator`: also mend what
 * runs. `admin`: everything.
 */
export type Role = (typeof roles)[number];

export interface ManagementKey {
  /** As a topic's name is. */
  readonly name: string;
  readonly role: Role;
  /** Of each of its two secrets, the SHA-256 in hexadecimal. The secrets themselves are kept nowhere. */
  readonly digests: Readonly<Record<KeyName, string>>;
  /** ISO 8601 instant from which on neither secret is good for anything. */
  readonly expirationTimeUtc?: string;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** Path of the key's resource document. */
export const managementKeyPath = (name: string): string => `keys/${name}`;
