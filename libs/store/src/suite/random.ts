import type { Lacks, OpenStore } from './scene.js';
export interface RandomOptions {
  readonly seed?: number;
}
export function describeRandom(_open: OpenStore, _lacks: Lacks, _options: RandomOptions = {}): void {}
