/** Takes out of what an endpoint said what it was sent in confidence. */

const mask = '***';
/** Of a secret that was cut off at the end of a text, so much has to be there to be taken for it. */
const prefixMin = 4;
/** Shorter values would take ordinary words out of every text. */
const queryValueMin = 8;

/** `text` without these, and without the beginning of one at its end: an excerpt ends anywhere. */
export function redacted(text: string, secrets: readonly string[]): string {
  if (text === '' || secrets.length === 0) return text;
  // One may hold another.
  const longestFirst = [...secrets].filter(Boolean).sort((a, b) => b.length - a.length);
  const rest = longestFirst.reduce((before, secret) => before.replaceAll(secret, mask), text);
  for (const secret of longestFirst) {
    for (let length = Math.min(secret.length - 1, rest.length); length >= prefixMin; length--) {
      if (rest.endsWith(secret.slice(0, length))) return rest.slice(0, -length) + mask;
    }
  }
  return rest;
}

/** What of a URL is to be kept secret: its query, and the longer values in it, as they were written and as they are read. */
export function secretsInUrl({ search, searchParams }: URL): string[] {
  if (search.length <= 1) return [];
  const written = search.slice(1).split(/[&=]/);
  return [search, ...[...written, ...searchParams.values()].filter(({ length }) => length >= queryValueMin)];
}
