/** Resolves in the next turn of the event loop, after the I/O that is waiting. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
