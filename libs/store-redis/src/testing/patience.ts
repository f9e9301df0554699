/** Waiting for what another process does, which gives no signal. For tests. */

/** Asks again every few milliseconds until there is an answer; rejects after `ms`. An ask that rejects is no answer. */
export async function until<T>(ask: () => Promise<T | undefined | false>, ms = 60_000): Promise<T> {
  const patience = AbortSignal.timeout(ms);
  let last: unknown;
  while (!patience.aborted) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`what is waited for did not come about in ${ms} ms`, { cause: last });
}

const lookMs = 50;

/**
 * How long a promise takes to settle, in ms, and the code of the error it rejects with. A pause between two looks counts as
 * no more than two of them: when a machine stands still, so does the time that was promised.
 */
export async function timed(promise: Promise<unknown>): Promise<{ ms: number; code: string | undefined }> {
  let ms = 0;
  let lookedAt = performance.now();
  const look = () => {
    const at = performance.now();
    ms += Math.min(at - lookedAt, 2 * lookMs);
    lookedAt = at;
  };
  const looks = setInterval(look, lookMs);
  const code = await promise.then(
    () => undefined,
    (error: { code?: string }) => error.code ?? String(error),
  );
  clearInterval(looks);
  look();
  return { ms, code };
}
