/** What the servers said, when a verdict on them is bad: printed once, so that the failure can be understood later. */
import type { ServerProcess } from './server.js';

/** Lines per server at most, from the end. */
const linesMax = 40;
/** What every run is full of. */
const routine = /"msg":"(management call|partition claimed|partition released)"/;

/** Runs the checks; if one of them throws, prints what these servers logged beyond routine and throws on. */
export function withEvidence(servers: readonly ServerProcess[], checks: () => void): void {
  try {
    checks();
  } catch (error) {
    for (const { pid, log } of servers) {
      const lines = log.filter((line) => !routine.test(line));
      process.stderr.write(`server ${pid} logged ${lines.length} lines, the last ones:\n`);
      for (const line of lines.slice(-linesMax)) process.stderr.write(`  ${line.slice(0, 500)}\n`);
    }
    throw error;
  }
}
