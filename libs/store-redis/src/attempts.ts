/** The attempt log of each partition: read by pages, and what it holds. Settling writes it (`queues.ts`). */
import {
  type AttemptBlock,
  type AttemptKind,
  type AttemptPage,
  type AttemptUsage,
  readBlockId,
  type StoredAttemptBlock,
} from '@gridpost/store';
import { type Argument, Call } from './call.js';
import type { Link } from './link.js';
import type { Partitions } from './partitions.js';
import { readAttempts } from './scripts/attempts.js';

export class Attempts {
  readonly #link: Link;
  readonly #partitions: Partitions;

  constructor(link: Link, partitions: Partitions) {
    this.#link = link;
    this.#partitions = partitions;
  }

  async page(
    partition: number,
    kind: AttemptKind,
    before: string | undefined,
    bytesMax: number,
  ): Promise<AttemptPage> {
    const key = this.#partitions.key(partition);
    const from = before === undefined ? '+' : `(${readBlockId(before).join('-')}`;
    const reply = await this.#link.run(readAttempts, key, [kind, from, String(bytesMax)]);
    const [more, ...fields] = reply as [number, ...Buffer[]];
    const blocks: StoredAttemptBlock[] = [];
    for (let i = 0; i < fields.length; i += 2)
      blocks.push({ id: fields[i]!.toString('latin1'), block: fields[i + 1]! });
    return { blocks, more: more === 1 };
  }

  async usage(partition: number): Promise<Record<AttemptKind, AttemptUsage>> {
    const key = `${this.#partitions.key(partition)}:attempts`;
    const names = (kind: AttemptKind): string[] => [`${kind}.shed`, `${kind}.from`];
    const call = Call.keyed('hmget', key, 'failures', 'all', ...names('failures'), ...names('successes'));
    const [failures, all, ...fields] = (await this.#link.command(call)) as (Buffer | null)[];
    return {
      failures: usageOf(Number(failures ?? 0), fields.slice(0, 2)),
      successes: usageOf(Number(all ?? 0) - Number(failures ?? 0), fields.slice(2)),
    };
  }
}

function usageOf(bytes: number, [shed, from]: readonly (Buffer | null | undefined)[]): AttemptUsage {
  return { bytes, shed: Number(shed ?? 0), heldFrom: from ? Number(from) : undefined };
}

/** Blocks as scripts take them: kind and block in turn. */
export function attemptArguments(attempts: readonly AttemptBlock[] = []): Argument[] {
  const words: Argument[] = [];
  for (const { kind, block } of attempts) words.push(kind, block);
  return words;
}
