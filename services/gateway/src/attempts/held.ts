/** How far back the attempt log reaches, over all partitions. */
import { type AttemptKind, attemptKinds, type Store } from '@gridpost/store';
import { instant } from './view.js';

/** The instant from which on everything that was recorded is held; undefined while nothing was let go of. */
export type HeldFrom = Readonly<Record<AttemptKind, number | undefined>>;

export async function heldFrom(store: Store): Promise<HeldFrom> {
  const usages = await Promise.all(
    Array.from({ length: store.info.partitions }, (_, partition) => store.attemptUsage(partition)),
  );
  const latest = (kind: AttemptKind): number | undefined => {
    const instants = usages.flatMap((usage) => usage[kind].heldFrom ?? []);
    return instants.length > 0 ? Math.max(...instants) : undefined;
  };
  return { failures: latest('failures'), successes: latest('successes') };
}

/** Whether everything that was recorded of an event accepted at an instant is held. */
export function coversFrom(held: HeldFrom, acceptedAt: number): boolean {
  return attemptKinds.every((kind) => held[kind] === undefined || held[kind] <= acceptedAt);
}

export function heldView({ failures, successes }: HeldFrom): object {
  const shown = (ms: number | undefined): string | null => (ms === undefined ? null : instant(ms));
  return { failures: shown(failures), successes: shown(successes) };
}
