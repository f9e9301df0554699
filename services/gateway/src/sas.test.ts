import { createHmac } from 'node:crypto';
import { AzureKeyCredential, generateSharedAccessSignature } from '@azure/eventgrid';
import { describe, expect, test } from '@jest/globals';
import { expiryOf, parseSignature } from './sas.js';

const key = Buffer.alloc(32, 7).toString('base64');
const endpoint = 'http://gridpost.example:8080/topics/orders/api/events';
const at = Date.UTC(2030, 5, 5, 12, 9, 3);

function macOf(signed: string): string {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(signed).digest('base64');
}

describe('an expiry', () => {
  test.each<[string, string, number]>([
    ['JavaScript and .NET', '6/5/2030 12:09:03 PM', at],
    ['newer .NET, with a narrow space', '6/5/2030 12:09:03\u202fPM', at],
    ['Java, which pads nothing', '6/5/2030 12:9:3 PM', at],
    ['midnight', '12/31/2029 12:00:00 AM', Date.UTC(2029, 11, 31)],
    ['one in the morning', '1/1/2030 1:00:00 AM', Date.UTC(2030, 0, 1, 1)],
    ['one second to midnight', '1/1/2030 11:59:59 PM', Date.UTC(2030, 0, 1, 23, 59, 59)],
    ['a leap day', '2/29/2028 1:00:00 PM', Date.UTC(2028, 1, 29, 13)],
    ['Python, isoformat', '2030-06-05T12:09:03', at],
    ['Python, isoformat with microseconds', '2030-06-05T12:09:03.123456', at + 123],
    ['Python, str of one with an offset', '2030-06-05 12:09:03.999999+00:00', at + 999],
    ['an offset to the east', '2030-06-05T14:09:03+02:00', at],
    ['an offset to the west', '2030-06-05T07:39:03-04:30', at],
    ['Zulu', '2030-06-05T12:09:03Z', at],
  ])('as of %s', (_, text, expected) => {
    expect(expiryOf(text)).toBe(expected);
  });

  test.each([
    '',
    'tomorrow',
    '1438205742',
    '6/5/2030',
    '6/5/2030 12:09:03',
    '6/5/2030 13:09:03 PM',
    '6/5/2030 0:09:03 AM',
    '13/5/2030 1:09:03 PM',
    '2/30/2030 1:09:03 PM',
    '6/5/2030 1:60:03 PM',
    '6/5/0030 1:00:03 PM',
    '2030-02-30T12:09:03',
    '2030-06-05T24:00:00',
    '2030-06-05T12:09:60',
    '2030-6-5T12:09:03',
    '2030-06-05T12:09:03 PM',
    '2030-06-05T12:09:03+2',
  ])('%p is none', (text) => {
    expect(expiryOf(text)).toBeUndefined();
  });
});

describe('a signature', () => {
  test('of the JavaScript SDK is read as it was signed', async () => {
    const token = await generateSharedAccessSignature(endpoint, new AzureKeyCredential(key), new Date(at));
    const { signed, mac, resource, expiresAt } = parseSignature(token)!;
    expect(mac.toString('base64')).toBe(macOf(signed));
    expect([resource.origin + resource.pathname, resource.search]).toEqual([
      endpoint,
      '?apiVersion=2018-01-01',
    ]);
    expect(expiresAt).toBe(at);
  });

  test.each<[string, string]>([
    // .NET escapes with small letters, and writes spaces as plus signs.
    ['.NET', 'r=http%3a%2f%2fgridpost.example%3a8080%2fx&e=6%2f5%2f2030+12%3a09%3a03+PM'],
    ['Python', 'r=http%3A%2F%2Fgridpost.example%3A8080%2Fx&e=2030-06-05T12%3A09%3A03.000001'],
    ['Python, str', 'r=http%3A%2F%2Fgridpost.example%3A8080%2Fx&e=2030-06-05+12%3A09%3A03%2B00%3A00'],
  ])('of %s is read as it was signed', (_, signed) => {
    const mac = macOf(signed);
    for (const s of [mac, encodeURIComponent(mac)]) {
      const found = parseSignature(`${signed}&s=${s}`)!;
      expect([found.signed, found.mac.toString('base64'), found.resource.href, found.expiresAt]).toEqual([
        signed,
        mac,
        'http://gridpost.example:8080/x',
        at,
      ]);
    }
  });

  const good = 'r=http%3A%2F%2Fa%2Fx&e=2030-06-05T12%3A09%3A03';
  test.each([
    '',
    'r',
    good,
    `${good}&s=`,
    `${good}&s=c2hvcnQ%3D`,
    `${good}&s=%zz`,
    `${good}&s=${'A'.repeat(44)}`,
    `${good}&x=1&s=${macOf(good)}`,
    `${good}&s=${macOf(good)}&s=${macOf(good)}`,
    `e=2030-06-05T12%3A09%3A03&r=http%3A%2F%2Fa%2Fx&s=${macOf(good)}`,
    `r=%2Fx&e=2030-06-05T12%3A09%3A03&s=${macOf(good)}`,
    `r=http%3A%2F%2Fa%2Fx&e=never&s=${macOf(good)}`,
    `r=%E0%A4%A&e=2030-06-05T12%3A09%3A03&s=${macOf(good)}`,
  ])('%p is none', (token) => {
    expect(parseSignature(token)).toBeUndefined();
  });
});
