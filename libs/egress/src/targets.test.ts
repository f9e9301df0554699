/**
 * Hosts as they can be written in a URL, and whether they may be connected to where nothing has been allowed: every range
 * at its edges, and every spelling of an address that a parser on the way may take for one.
 */
import { isIP, type LookupFunction } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { hostIn } from '@gridpost/model';
import { AddressNotAllowed } from './address-not-allowed.js';
import { Egress } from './egress.js';

const hosts = (text: string): string[] => text.trim().split(/\s+/);

const refused = {
  'this network': '0.0.0.0 0.0.0.1 0.255.255.255',
  private: `10.0.0.0 10.0.0.1 10.1.2.3 10.255.255.255 172.16.0.0 172.16.0.1 172.20.10.5 172.31.255.255
    192.168.0.0 192.168.0.1 192.168.178.1 192.168.255.255`,
  'shared by carriers': '100.64.0.0 100.64.0.1 100.100.100.100 100.127.255.255',
  loopback: '127.0.0.0 127.0.0.1 127.0.0.53 127.0.1.1 127.1.1.1 127.255.255.254 127.255.255.255',
  'link-local': '169.254.0.0 169.254.0.1 169.254.1.1 169.254.255.255',
  'the metadata of clouds': `169.254.169.254 169.254.170.2 169.254.170.23 169.254.169.123 169.254.169.253
    168.63.129.16 100.100.100.200 192.0.0.192 [fd00:ec2::254] [fd00:ec2::23] [fd20:ce::254] [fe80::a9fe:a9fe]`,
  'assignments of protocols': '192.0.0.0 192.0.0.1 192.0.0.8 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.255',
  documentation: `192.0.2.0 192.0.2.1 192.0.2.255 198.51.100.0 198.51.100.7 198.51.100.255
    203.0.113.0 203.0.113.1 203.0.113.255`,
  'AS112, AMT and relays': `192.31.196.0 192.31.196.255 192.52.193.0 192.52.193.255 192.88.99.0 192.88.99.1
    192.88.99.255 192.175.48.0 192.175.48.255`,
  benchmarks: '198.18.0.0 198.18.0.1 198.19.255.255',
  multicast: '224.0.0.0 224.0.0.1 224.0.0.251 232.1.1.1 239.255.255.250 239.255.255.255',
  'reserved and broadcast': '240.0.0.0 240.0.0.1 250.1.2.3 255.255.255.254 255.255.255.255',

  'one number, in every base': `2130706433 0x7f000001 0X7F000001 0x7F000001 017700000001 00000000017700000001
    0 0x0 00 0x 3232235777 0xc0a80101 030052000401 167772161 0xa000001 2852039166 0xa9fea9fe 0xA9FEA9FE
    025177524776 0x00000000007f000001 4294967295 037777777777`,
  'fewer than four parts': `127.1 127.0.1 10.1 10.0.1 192.168.257 192.168.1 172.16.1 169.254.43518 0.0 0.0.0
    127.16777215 10.16777215`,
  'octal parts': `0177.0.0.1 0177.0.0.01 0177.1 00177.0.0.1 012.0.0.1 0300.0250.0.1 0251.0376.0251.0376
    127.0.0.01 0254.020.0.1`,
  'hexadecimal parts': `0x7f.0.0.1 0x7f.1 0x7f.0x0.0x0.0x1 0X7F.0.0.1 0xa.0.0.1 0xc0.0xa8.0.1 0xA9.0xFE.0xA9.0xFE
    0xac.0x10.0.1`,
  'mixed parts': `0x7f.0.01 0177.0x0.0.1 0x7f.00000001 169.0xfe.0251.254 10.0x0.01 0300.168.0x1.1`,
  'a dot at the end': '127.0.0.1. 2130706433. 0x7f.1. 10.0.0.1. 169.254.169.254. 0177.0.0.1. 0.',
  'escapes of URLs': `%31%32%37.0.0.1 127%2e0%2e0%2e1 127.0.0.%31 %30x7f.1 169%2E254%2E169%2E254
    %31%30.0.0.1`,
  'digits and dots of other scripts': `①②⑦.⓪.⓪.① １２７.０.０.１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 𝟏𝟐𝟕.𝟎.𝟎.𝟏 𝟙𝟘.𝟘.𝟘.𝟙
    ⑯⑨.②⑤④.⑯⑨.②⑤④ ¹²⁷.⁰.⁰.¹ ₁₂₇.₀.₀.₁ ０ｘ７ｆ.１ ⑩.0.0.1`,
  'characters that are not there': '127.0.0.1\u00ad 12\u00ad7.0.0.1 127.0\u200b.0.1 10.0\u2060.0.1',

  'unspecified, and loopback': `[::] [0:0:0:0:0:0:0:0] [::1] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001]
    [0::1] [::0:1] [0:0::1] [::0.0.0.1] [0000::0001]`,
  'IPv4-compatible': '[::127.0.0.1] [::7f00:1] [::10.0.0.1] [::a9fe:a9fe] [::8.8.8.8] [::ffff] [::2]',
  'IPv4-mapped': `[::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:7F00:1] [0:0:0:0:0:ffff:127.0.0.1]
    [0:0:0:0:0:ffff:7f00:0001] [::ffff:0:0] [::ffff:10.0.0.1] [::ffff:a00:1] [::ffff:192.168.1.1] [::ffff:c0a8:101]
    [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::ffff:172.16.0.1] [::ffff:100.64.0.1] [::ffff:0.0.0.0]
    [::ffff:255.255.255.255] [::ffff:168.63.129.16] [::ffff:224.0.0.1]`,
  'IPv4-translated': '[::ffff:0:127.0.0.1] [::ffff:0:7f00:1] [::ffff:0:8.8.8.8]',
  'NAT64 to what is not public': `[64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe]
    [64:ff9b::192.168.0.1] [64:ff9b::] [64:ff9b::ffff:ffff] [64:FF9B::A00:1] [0064:ff9b:0:0:0:0:7f00:1]`,
  'NAT64 of a network': '[64:ff9b:1::] [64:ff9b:1::8.8.8.8] [64:ff9b:1:ffff:ffff:ffff:ffff:ffff]',
  'beside NAT64': '[64:ff9a:ffff::1] [64:ff9b:0:0:0:1:808:808] [64:ff9b:2::1]',
  'discard, and dummies': '[100::] [100::1] [100:0:0:1::1] [100::ffff:ffff:ffff:ffff]',
  Teredo: '[2001::] [2001::1] [2001:0:4136:e378:8000:63bf:80ff:fffe] [2001:0:808:808::f7f7:f7f7]',
  'other protocols': `[2001:1::1] [2001:1::2] [2001:1::3] [2001:2::1] [2001:3::1] [2001:4:112::1] [2001:10::1]
    [2001:20::1] [2001:30::1] [2001:1ff:ffff::1]`,
  'documentation of IPv6': `[2001:db8::] [2001:db8::1] [2001:DB8:ffff:ffff:ffff:ffff:ffff:ffff] [3fff::] [3fff::1]
    [3fff:fff:ffff::1]`,
  '6to4': `[2002::] [2002:7f00:1::] [2002:7f00:1::1] [2002:a00:1::1] [2002:c0a8:101::1] [2002:a9fe:a9fe::1]
    [2002:808:808::1] [2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff]`,
  'AS112 and the 6bone': '[2620:4f:8000::] [2620:4f:8000::1] [2620:4f:8000:ffff::1] [3ffe::1] [3ffe:ffff::1]',
  'segment routing': '[5f00::1] [5f00:ffff::1]',
  'not given out':
    '[200::1] [400::1] [1000::1] [1fff:ffff::1] [4000::] [6000::1] [8000::1] [c000::1] [f000::1]',
  'unique local':
    '[fc00::] [fc00::1] [fd00::1] [fd12:3456:789a:1::1] [fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]',
  'link-local of IPv6': '[fe80::] [fe80::1] [fe80::1:2:3:4] [FE80::1] [febf:ffff::1]',
  'site-local': '[fec0::] [fec0::1] [feff:ffff::1]',
  'multicast of IPv6':
    '[ff00::] [ff02::1] [ff02::fb] [ff05::1:3] [ff0e::1] [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]',
};

/** No URL has such a host: what writes subscriptions refuses it for that. */
const unreadable = {
  'an address with a zone': '[fe80::1%eth0] [fe80::1%25eth0] [::1%lo] [::1%251]',
  'numbers that are too large':
    '4294967296 127.0.0.256 256.0.0.1 127.0.0.0.1 0x100000000 1.2.3.08 127.16777216',
  'half an address': '[127.0.0.1] [::1 ::1 [::ffff:127.1] [::ffff:0x7f.0.0.1] [:::1] [1::2::3] [0x7f::1] []',
};

const allowed = {
  'beside the ranges': `1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0
    168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0
    192.0.3.0 192.31.195.255 192.31.197.0 192.52.192.255 192.52.194.0 192.88.98.255 192.88.100.0 192.167.255.255
    192.169.0.0 192.175.47.255 192.175.49.0 198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255
    203.0.114.0 223.255.255.255`,
  'what many use':
    '1.1.1.1 8.8.8.8 9.9.9.9 93.184.216.34 [2606:4700:4700::1111] [2001:4860:4860::8888] [2a00:1450::1]',
  // Where a zero in front means nothing, the last would be 10.0.0.1; it is what is connected to that counts.
  'other spellings of 8.8.8.8 and 8.0.0.1':
    '134744072 0x08080808 010.010.010.010 8.526344 ⑧.⑧.⑧.⑧ 8.8.8.8. [::ffff:8.8.8.8] 010.0.0.1',
  'NAT64 to what is public': '[64:ff9b::8.8.8.8] [64:ff9b::808:808] [64:ff9b::1.1.1.1]',
  'beside the ranges of IPv6': `[2000::] [2001:200::] [2001:db7:ffff::1] [2001:db9::] [2001:ffff::1] [2003::]
    [2620:4f:7fff::1] [2620:4f:8001::] [3ffd:ffff::1]`,
};

/** Only the table is asked: nothing is looked up. */
const nothing: LookupFunction = () => {
  throw new Error('looked up');
};
const egress = new Egress({ lookup: nothing });
const connect = egress.connector(1_000);

const hostOf = (written: string): string => hostIn(new URL(`http://${written}/`));

/** What a connection to it meets, as far as that can be told without making one. */
function met(hostname: string): Promise<Error | null> {
  return new Promise((resolve) =>
    connect({ hostname, protocol: 'http:', port: '1' }, (...[error]) => resolve(error)),
  );
}

/** The addresses that are connected to where a name resolves to these. */
function connectedTo(addresses: readonly string[]): Promise<readonly string[]> {
  const answer = addresses.map((address) => ({ address, family: isIP(address) }));
  return new Egress({ lookup: (_, __, callback) => callback(null, answer) })
    .allows('http://name.test/')
    .then((allows) => (allows ? addresses : []));
}

test('the table has at least 250 targets, each once', () => {
  const all = [refused, unreadable, allowed].flatMap((part) => Object.values(part).flatMap(hosts));
  expect(all.length).toBeGreaterThanOrEqual(250);
  expect(all.filter((host, at) => all.indexOf(host) !== at)).toEqual([]);
});

describe('refused is', () => {
  test.each(Object.entries(refused))('%s', async (_, text) => {
    for (const written of hosts(text)) {
      const host = hostOf(written);
      expect([written, await egress.allows(`http://${written}/`)]).toEqual([written, false]);
      expect([written, await met(host)]).toEqual([written, new AddressNotAllowed()]);
      expect([written, await connectedTo([host])]).toEqual([written, []]);
    }
  });
});

describe('no URL has', () => {
  test.each(Object.entries(unreadable))('%s', async (_, text) => {
    for (const written of hosts(text))
      expect([written, URL.canParse(`http://${written}/`)]).toEqual([written, false]);
  });

  test.each(['fe80::1%eth0', '::1%lo', '2606:4700:4700::1111%eth0'])('%s, which is refused', async (host) => {
    expect(await met(host)).toEqual(new AddressNotAllowed());
    expect(await connectedTo([host])).toEqual([]);
  });
});

describe('allowed is', () => {
  test.each(Object.entries(allowed))('%s', async (_, text) => {
    for (const written of hosts(text)) {
      expect([written, await egress.allows(`http://${written}/`)]).toEqual([written, true]);
      const host = hostOf(written);
      expect([written, await connectedTo([host])]).toEqual([written, [host]]);
    }
  });
});
