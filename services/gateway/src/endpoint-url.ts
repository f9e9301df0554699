/**
 * Which addresses a subscription may name as its endpoint, as text. Which hosts may be connected to is decided where
 * connections are made, on the address that a name resolves to at that moment.
 */
const charactersMax = 2_048;
/** Browsers' URL parser drops or converts these; what was written would not be what is called. */
const misread = /[\p{Cc}\s\\]/u;

/** What is wrong with the URL, in words that do not repeat it, since its query may hold a secret; undefined if nothing. */
export function endpointUrlFault(text: string): string | undefined {
  if (text.length > charactersMax) return `saw ${text.length} characters, expected at most ${charactersMax}`;
  if (misread.test(text)) return 'saw white space, a control character or a backslash, expected none';
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return 'expected an absolute http or https URL';
  const { username, password } = new URL(text);
  if (username || password || authorityOf(text).includes('@')) {
    return 'saw a user name or password, expected none: anybody who may list subscriptions would see them';
  }
  if (text.includes('#')) return 'saw a fragment, expected none: it is never sent';
  return undefined;
}

/** Scheme, host and path, without the query: what Event Grid shows of an endpoint (Event Grid, EventSubscription resource). */
export function endpointBaseUrl(text: string): string {
  const { origin, pathname } = new URL(text);
  return origin + pathname;
}

function authorityOf(text: string): string {
  return /^https?:\/\/([^/?#]*)/i.exec(text)?.[1] ?? '';
}
