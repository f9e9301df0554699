/**
 * Text of attributes: which characters the CloudEvents type system allows, and how a value is shown to the person who
 * has to correct it.
 */

/** Control characters, unpaired surrogates and noncharacters (CloudEvents §"Type System", String). */
const forbidden = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;
export const textRule = 'free of control characters, unpaired surrogates and noncharacters';

export function isAttributeText(text: string): boolean {
  return !forbidden.test(text);
}

/** Whether the text can be written in UTF-8: it has no unpaired surrogate. */
export function isWellFormed(text: string): boolean {
  return !/\p{Cs}/u.test(text);
}

/** Decodes what stands between the quotes of a valid JSON string. */
export function unescapeJson(raw: string): string {
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw;
}

const shownCharactersMax = 64;
/** Characters that a terminal or a log viewer would act on instead of showing them. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** At most 64 characters of the text, in quotes, with everything unprintable escaped. */
export function shown(text: string): string {
  return `"${shownBare(text)}"`;
}

/** The same without quotes, for what is no string. */
export function shownBare(text: string): string {
  // Cut in code units first, so that a megabyte is not spread into an array for the sake of its beginning.
  const characters = Array.from(text.slice(0, 2 * shownCharactersMax + 2));
  const cut = characters.length > shownCharactersMax;
  const beginning = cut ? `${characters.slice(0, shownCharactersMax).join('')}…` : characters.join('');
  return beginning.replace(unprintable, (character) => {
    const code = character.codePointAt(0)!.toString(16);
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** Like `shownBare`, for a slice of a body. */
export function shownBytes(bytes: Buffer, from: number, to: number): string {
  const whole = shownCharactersMax * 4 + 4;
  return shownBare(bytes.toString('utf8', from, Math.min(to, from + whole)));
}

/** Whether the slice is this ASCII text. */
export function isSameText(text: string, bytes: Buffer, from: number, to: number): boolean {
  if (text.length !== to - from) return false;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
}
