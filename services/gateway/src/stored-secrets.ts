/**
 * Secrets are not shown, so what was read lacks them; written again it keeps those that are stored, where that gives
 * nobody what he could not have otherwise.
 */
import type { SubscriptionProperties } from '@gridpost/model';
import { keyed, secretMade } from './signing-resource.js';

export interface Completed {
  readonly properties: SubscriptionProperties;
  /** Of its signing, what is shown in this answer and never again. */
  readonly made: object;
}

/** What is written, with the secrets that it leaves out. */
export function completed(
  written: SubscriptionProperties,
  before: SubscriptionProperties | undefined,
  now: number,
): Completed {
  if (!written.signing) return { properties: written, made: {} };
  const signing = keyed(written.signing, before?.signing, now);
  const made = secretMade(signing, before?.signing, written.signing.keys[0]?.secret);
  return { properties: { ...written, signing }, made };
}
