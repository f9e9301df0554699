/** Watches how much memory of its own a process holds: RssAnon, which leaves out the files it maps. */
import { readFileSync } from 'node:fs';

const everyMs = 200;

export interface MemoryWatch {
  /** Most seen so far, in bytes. */
  peakBytes(): number;
  stop(): void;
}

/** Linux only. A process that is gone counts as nothing. */
export function watchMemory(pid: number): MemoryWatch {
  let peak = 0;
  const look = (): void => {
    peak = Math.max(peak, anonymousBytes(pid));
  };
  look();
  const timer = setInterval(look, everyMs);
  return { peakBytes: () => peak, stop: () => clearInterval(timer) };
}

function anonymousBytes(pid: number): number {
  try {
    const found = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(found?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
