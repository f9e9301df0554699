/**
 * Gates: from a value of an event to those subscriptions that could want it. A gate reads one operand, once per event,
 * and keeps one bucket per kind and probe. What a bucket is, is the index's business.
 */
import type { Event } from '@gridpost/model';
import type { Sign } from './clause.js';
import type { Probe } from './comparison.js';
import { HashTable, hashBackwards, hashOf, hashScalar, hashText, hashUnit, noText } from './hash-table.js';
import type { Kind, Scalar } from './kinds.js';
import type { Operand } from './operand.js';
import { RangeTable } from './range-table.js';

/**
 * Receives the buckets that an event could belong to. `sure`: whether the value itself hits the probe, and not just an
 * element of an array, which may come to the same bucket more than once.
 */
export type Visitor<B> = (bucket: B, sure: boolean) => void;

export class Gate<B> {
  readonly #operand: Operand;
  readonly #kinds: KindTables<B>[] = [];

  /** For signs of this operand. */
  constructor(operand: Operand) {
    this.#operand = operand;
  }

  get empty(): boolean {
    return this.#kinds.length === 0;
  }

  get({ kind, probe }: Sign): B | undefined {
    return this.#of(kind)?.get(probe);
  }

  /** Adds the sign's bucket, or replaces it. */
  set({ kind, probe }: Sign, bucket: B): void {
    let tables = this.#of(kind);
    if (!tables) this.#kinds.push((tables = new KindTables(kind)));
    tables.set(probe, bucket);
  }

  /** The sign must have a bucket. */
  delete({ kind, probe }: Sign): void {
    const tables = this.#of(kind)!;
    tables.delete(probe);
    if (tables.empty) this.#kinds.splice(this.#kinds.indexOf(tables), 1);
  }

  visit(event: Event, visitor: Visitor<B>): void {
    const value = this.#operand.read(event);
    if (value === undefined) return;
    if (Array.isArray(value)) for (const element of value) this.#visit(element, visitor, false);
    else this.#visit(value, visitor, true);
  }

  #visit(value: unknown, visitor: Visitor<B>, sure: boolean): void {
    const { inData } = this.#operand;
    const kinds = this.#kinds;
    // Most texts are the same in several kinds: they are hashed once.
    let hashed: Scalar | undefined;
    let hash = 0;
    for (let i = 0; i < kinds.length; i++) {
      const { kind, exact, beginnings, ends, ranges } = kinds[i]!;
      const compared = kind.of(value, inData);
      if (compared === undefined) continue;
      if (exact !== undefined) {
        if (compared !== hashed) hash = hashScalar((hashed = compared));
        const bucket = exact.get(hash, compared);
        if (bucket !== undefined) visitor(bucket, sure);
      }
      beginnings?.visit(compared as string, visitor, sure);
      ends?.visit(compared as string, visitor, sure);
      ranges?.visit(compared as number, visitor, sure);
    }
  }

  #of(kind: Kind): KindTables<B> | undefined {
    return this.#kinds.find((tables) => tables.kind === kind);
  }
}

/** The buckets of one kind. */
class KindTables<B> {
  readonly kind: Kind;
  exact: HashTable<Scalar, B> | undefined;
  beginnings: AffixTable<B> | undefined;
  ends: AffixTable<B> | undefined;
  ranges: RangeTable<B> | undefined;
  #size = 0;

  constructor(kind: Kind) {
    this.kind = kind;
  }

  get empty(): boolean {
    return this.#size === 0;
  }

  get(probe: Probe): B | undefined {
    switch (probe.gate) {
      case 'exact':
        return this.exact?.get(hashScalar(probe.value), probe.value);
      case 'prefix':
        return this.beginnings?.get(probe.value);
      case 'suffix':
        return this.ends?.get(probe.value);
      case 'range':
        return this.ranges?.get(probe.low, probe.high);
    }
  }

  set(probe: Probe, bucket: B): void {
    if (this.get(probe) === undefined) this.#size++;
    switch (probe.gate) {
      case 'exact':
        this.exact ??= new HashTable();
        this.exact.set(hashScalar(probe.value), probe.value, bucket);
        break;
      case 'prefix':
        this.beginnings ??= new AffixTable(false);
        this.beginnings.set(probe.value, bucket);
        break;
      case 'suffix':
        this.ends ??= new AffixTable(true);
        this.ends.set(probe.value, bucket);
        break;
      case 'range':
        this.ranges ??= new RangeTable();
        this.ranges.set(probe.low, probe.high, bucket);
    }
  }

  delete(probe: Probe): void {
    this.#size--;
    switch (probe.gate) {
      case 'exact':
        this.exact!.delete(hashScalar(probe.value), probe.value);
        break;
      case 'prefix':
        this.beginnings!.delete(probe.value);
        break;
      case 'suffix':
        this.ends!.delete(probe.value);
        break;
      case 'range':
        this.ranges!.delete(probe.low, probe.high);
    }
  }
}

/** Buckets by beginnings or by ends: one pass over a text finds all that it has. */
class AffixTable<B> {
  readonly #atEnd: boolean;
  readonly #buckets = new HashTable<string, B>();
  /** How many there are of each length, and the lengths ascending. */
  readonly #counts = new Map<number, number>();
  #lengths: number[] = [];

  constructor(atEnd: boolean) {
    this.#atEnd = atEnd;
  }

  get(affix: string): B | undefined {
    return this.#buckets.get(this.#hash(affix), affix);
  }

  set(affix: string, bucket: B): void {
    if (this.get(affix) === undefined) this.#count(affix.length, 1);
    this.#buckets.set(this.#hash(affix), affix, bucket);
  }

  delete(affix: string): void {
    this.#count(affix.length, -1);
    this.#buckets.delete(this.#hash(affix), affix);
  }

  visit(text: string, visitor: Visitor<B>, sure: boolean): void {
    const lengths = this.#lengths;
    const atEnd = this.#atEnd;
    const whole = text.length;
    let state = noText;
    let done = 0;
    for (let i = 0; i < lengths.length; i++) {
      const length = lengths[i]!;
      if (length > whole) return;
      for (; done < length; done++) state = hashUnit(state, text.charCodeAt(atEnd ? whole - 1 - done : done));
      const bucket = this.#buckets.getAffix(hashOf(state), text, length, atEnd);
      if (bucket !== undefined) visitor(bucket, sure);
    }
  }

  #hash(affix: string): number {
    return this.#atEnd ? hashBackwards(affix) : hashText(affix);
  }

  #count(length: number, change: number): void {
    const count = (this.#counts.get(length) ?? 0) + change;
    if (count === 0) this.#counts.delete(length);
    else this.#counts.set(length, count);
    if (count === 0 || (change > 0 && count === change))
      this.#lengths = [...this.#counts.keys()].sort((a, b) => a - b);
  }
}
