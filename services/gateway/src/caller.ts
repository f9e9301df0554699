/**
 * Who makes a request, as far as its credential tells, and what roles let them do. Finding that out is `auth.ts`'s
 * business.
 */

/** From the least to the most: each may do all that those before it may. */
const roles = ['reader', 'operator', 'admin'] as const;

/**
 * What a caller may do with the management API. `reader`: look, at everything but secrets. `operator`: also mend what
 * runs. `admin`: everything.
 */
export type Role = (typeof roles)[number];

/**
 * What a route needs. `consumer`: the right to receive from the subscription that the path names. `anyone`: no
 * credential.
 */
export type Need = Role | 'consumer' | 'anyone';
