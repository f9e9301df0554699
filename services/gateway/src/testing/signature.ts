import { createHmac } from 'node:crypto';

const later = '1/1/2100 1:00:00 AM';

/** A shared access signature for a resource, escaped as JavaScript does it. */
export function signatureOf(key: string, resource: string, expiry = later): string {
  return signed(`r=${encodeURIComponent(resource)}&e=${encodeURIComponent(expiry)}`, key);
}

/** The text with its signature. */
export function signed(text: string, key: string): string {
  const mac = createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64');
  return `${text}&s=${encodeURIComponent(mac)}`;
}
