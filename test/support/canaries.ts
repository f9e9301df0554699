/**
 * Secrets that can be found again: each is a text that stands nowhere else, and is looked for in every form that it is
 * likely to take on its way.
 */
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Letters and digits alone: no encoding of URLs, headers or JSON changes it. */
export const canary = (): string => `Canary${randomBytes(18).toString('hex')}`;

export interface Evidence {
  readonly where: string;
  readonly bytes: Buffer;
  /** Secrets that are meant to be there. */
  readonly shows?: readonly string[];
}

/** Who was found where: `name in where`. */
export function sightings(
  canaries: Readonly<Record<string, string>>,
  evidence: readonly Evidence[],
): string[] {
  const all = Object.entries(canaries).map(([name, secret]) => ({ name, secret, forms: formsOf(secret) }));
  return evidence.flatMap(({ where, bytes, shows = [] }) =>
    all
      .filter(({ secret, forms }) => !shows.includes(secret) && forms.some((form) => bytes.includes(form)))
      .map(({ name }) => `${name} in ${where}`),
  );
}

/** As it is, in hexadecimal, and within base64, of which its place in a longer text decides. */
function formsOf(secret: string): string[] {
  const base64 = [0, 1, 2].map((before) => {
    const text = Buffer.from(' '.repeat(before) + secret).toString('base64url');
    // What its neighbours have a part in is left out.
    return text.slice(before === 0 ? 0 : 4, -4);
  });
  const inBase64 = base64.flatMap((text) => [text, text.replaceAll('-', '+').replaceAll('_', '/')]);
  return [secret, Buffer.from(secret).toString('hex'), ...inBase64];
}

/** Every file below the directories. */
export function filesIn(directories: readonly string[]): Evidence[] {
  return directories.flatMap((directory) =>
    readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .map((file) => join(directory, file))
      .filter((file) => statSync(file).isFile())
      .map((where) => ({ where, bytes: readFileSync(where) })),
  );
}
