/**
 * The patterns of LIKE (CloudEvents SQL §3.4.3): `%` for any number of characters, `_` for one. Characters are code
 * points, so that `_` takes an emoji whole. No pattern takes longer than the product of the two lengths.
 */

/** Stand among the code points of a pattern, where no code point is negative. */
const anyOne = -1;
const anyMany = -2;

/** Whether a text matches the pattern, which is read once. */
export function compileLike(pattern: string): (text: string) => boolean {
  const parts = read(pattern);
  return parts.some((part) => part === anyOne || isSurrogate(part)) ? general(parts) : plain(parts);
}

/**
 * The pattern's code points and wildcards. `\%` and `\_` are the characters themselves; a backslash before anything
 * else, another backslash or the end included, is a backslash. Of several `%` in a row only one counts.
 */
function read(pattern: string): number[] {
  const parts: number[] = [];
  const characters = Array.from(pattern);
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i]!;
    const next = characters[i + 1];
    if (character === '\\' && (next === '%' || next === '_')) {
      parts.push(next.charCodeAt(0));
      i++;
    } else if (character === '_') parts.push(anyOne);
    else if (character !== '%') parts.push(character.codePointAt(0)!);
    else if (parts.at(-1) !== anyMany) parts.push(anyMany);
  }
  return parts;
}

/** Half of a character: such a pattern must not match inside a pair, which a comparison of code units would do. */
function isSurrogate(part: number): boolean {
  return part >= 0xd800 && part <= 0xdfff;
}

/** Without `_`, a pattern is a list of texts that must follow each other, and the engine's own search is fastest. */
function plain(parts: readonly number[]): (text: string) => boolean {
  const pieces: string[] = [''];
  for (const part of parts) {
    if (part === anyMany) pieces.push('');
    else pieces[pieces.length - 1] += String.fromCodePoint(part);
  }
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  const inner = pieces.slice(1, -1);
  if (pieces.length === 1) return (text) => text === first;
  if (inner.length === 0) {
    if (last === '') return (text) => text.startsWith(first);
    if (first === '') return (text) => text.endsWith(last);
  }
  const lengthMin = first.length + last.length;
  return (text) => {
    if (text.length < lengthMin || !text.startsWith(first) || !text.endsWith(last)) return false;
    // Taking the first place for each piece leaves the most room for those behind it.
    let from = first.length;
    for (const piece of inner) {
      const at = text.indexOf(piece, from);
      if (at < 0) return false;
      from = at + piece.length;
    }
    return from <= text.length - last.length;
  };
}

/**
 * One walk through the text, which returns to the latest `%` on a mismatch and lets it take one character more. An
 * earlier `%` need not be tried again: what it could gain, the later one can as well.
 */
function general(parts: readonly number[]): (text: string) => boolean {
  return (text) => {
    let at = 0;
    let index = 0;
    /** Where in the pattern the latest `%` is, and where in the text what it does not take begins. */
    let many = -1;
    let manyEnd = 0;
    while (at < text.length) {
      const part = parts[index];
      const code = text.codePointAt(at)!;
      if (part === anyMany) {
        many = index++;
        manyEnd = at;
      } else if (part === anyOne || part === code) {
        index++;
        at += code > 0xffff ? 2 : 1;
      } else if (many >= 0) {
        index = many + 1;
        manyEnd += text.codePointAt(manyEnd)! > 0xffff ? 2 : 1;
        at = manyEnd;
      } else return false;
    }
    // Nothing is left of the text, so only a `%` can be left of the pattern; two never follow each other.
    return index === parts.length || (index === parts.length - 1 && parts[index] === anyMany);
  };
}
