/** The check that text from outside is UTF-8 (RFC 8259 §8.1), made once per body. */
import { isUtf8 } from 'node:buffer';
import { GridpostError } from '@gridpost/model';

/** Throws `InvalidUtf8` unless the body is UTF-8. */
export function expectUtf8(body: Buffer): void {
  if (isUtf8(body)) return;
  throw new GridpostError('InvalidUtf8', `byte ${utf8Length(body)}: the text is not UTF-8 here`);
}

/** How many bytes from the beginning are UTF-8. */
function utf8Length(body: Buffer): number {
  // Decoding replaces what is wrong, so that the first difference to the original is where it is. A replacement
  // character begins with 0xEF: where the wrong byte is one too, the difference is one or two bytes later.
  const replaced = Buffer.from(body.toString());
  let at = 0;
  while (at < body.length && body[at] === replaced[at]) at++;
  while (at > 0 && !isUtf8(body.subarray(0, at))) at--;
  return at;
}
