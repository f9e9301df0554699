/** What is connected to, on real sockets; names are resolved by the test. */
import {
  type AddressInfo,
  createServer,
  isIP,
  type LookupFunction,
  type Server,
  type Socket,
} from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { AddressNotAllowed } from './address-not-allowed.js';
import type { Connector } from './connector.js';
import { Egress, type EgressOptions } from './egress.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

interface Sink {
  readonly port: string;
  /** Addresses that were connected to, in order. */
  readonly reached: string[];
}

/** Listens on all of this machine, so that each address of loopback is a host of its own. Greets whom it has noted. */
async function sink(): Promise<Sink> {
  const reached: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    reached.push(socket.localAddress!.replace(/^::ffff:/, ''));
    sockets.add(socket.resume().on('error', () => undefined));
    socket.write('noted');
  });
  await new Promise<void>((resolve) => server.listen(0, '::', resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { port: String((server.address() as AddressInfo).port), reached };
}

/** Resolves names to these addresses, the first time to the first list and so on; the last stands. */
function resolver(...answers: readonly (readonly string[])[]): LookupFunction & { asked: string[] } {
  const asked: string[] = [];
  const lookup: LookupFunction = (hostname, _, callback) => {
    const addresses = answers[Math.min(asked.push(hostname), answers.length) - 1] ?? [];
    if (addresses.length > 0) {
      callback(
        null,
        addresses.map((address) => ({ address, family: isIP(address) })),
      );
    } else callback(Object.assign(new Error('not found'), { code: 'ENOTFOUND' }), '');
  };
  return Object.assign(lookup, { asked });
}

/** The error that it ended with, or undefined if there was a connection, which is closed once the sink has noted it. */
function connect(connector: Connector, hostname: string, port: string): Promise<Error | undefined> {
  return new Promise((resolve, reject) => {
    connector({ hostname, port, protocol: 'http:' }, (error, socket) => {
      if (!socket) return resolve(error ?? undefined);
      socket.once('error', reject).once('data', () => {
        socket.destroy();
        resolve(undefined);
      });
    });
  });
}

const egress = (options: EgressOptions): { egress: Egress; connector: Connector } => {
  const made = new Egress(options);
  return { egress: made, connector: made.connector(5_000) };
};

describe('a name', () => {
  test('is connected to at an address that was checked', async () => {
    const { port, reached } = await sink();
    const lookup = resolver(['127.0.0.2']);
    const { connector } = egress({ allow: ['127.0.0.2'], lookup });
    expect(await connect(connector, 'name.test', port)).toBeUndefined();
    expect(reached).toEqual(['127.0.0.2']);
    expect(lookup.asked).toEqual(['name.test']);
  });

  test('with several addresses is connected to at those that are allowed', async () => {
    const { port, reached } = await sink();
    const lookup = resolver(['10.0.0.1', '127.0.0.1', '127.0.0.3', '::1']);
    const { egress: guard, connector } = egress({ allow: ['127.0.0.3'], lookup });
    expect(await guard.allows(`http://name.test:${port}/`)).toBe(true);
    expect(await connect(connector, 'name.test', port)).toBeUndefined();
    expect(reached).toEqual(['127.0.0.3']);
  });

  test('with none that is allowed is refused, and nothing is connected to', async () => {
    const { port, reached } = await sink();
    const { egress: guard, connector } = egress({ lookup: resolver(['127.0.0.1', '::1', '10.0.0.1']) });
    expect(await guard.allows(`http://name.test:${port}/`)).toBe(false);
    expect(await connect(connector, 'name.test', port)).toEqual(new AddressNotAllowed());
    expect(reached).toEqual([]);
  });

  test('that resolves to something else after it was written is refused then', async () => {
    const { port, reached } = await sink();
    const lookup = resolver(['93.184.216.34'], ['127.0.0.1']);
    const { egress: guard, connector } = egress({ lookup });
    expect(await guard.allows(`http://name.test:${port}/`)).toBe(true);
    expect(await connect(connector, 'name.test', port)).toEqual(new AddressNotAllowed());
    expect(lookup.asked).toHaveLength(2);
    expect(reached).toEqual([]);
  });

  test('that resolves to something else at every look is connected to where the one look of a connection said', async () => {
    const { port, reached } = await sink();
    const lookup = resolver(['127.0.0.2'], ['127.0.0.1']);
    const { connector } = egress({ allow: ['127.0.0.2'], lookup });
    expect(await connect(connector, 'name.test', port)).toBeUndefined();
    expect(await connect(connector, 'name.test', port)).toEqual(new AddressNotAllowed());
    expect(reached).toEqual(['127.0.0.2']);
  });

  test('that does not resolve may be written, and cannot be connected to', async () => {
    const { egress: guard, connector } = egress({ lookup: resolver([]) });
    expect(await guard.allows('http://name.test/')).toBe(true);
    expect(await connect(connector, 'name.test', '80')).toMatchObject({ code: 'ENOTFOUND' });
  });

  test('of this machine is no exception', async () => {
    const { port, reached } = await sink();
    const { egress: guard, connector } = egress({});
    expect(await guard.allows(`http://localhost:${port}/`)).toBe(false);
    expect(await connect(connector, 'localhost', port)).toEqual(new AddressNotAllowed());
    expect(reached).toEqual([]);
  });
});

describe('a range that is allowed', () => {
  test('allows its addresses, and no others', async () => {
    const { port, reached } = await sink();
    const { egress: guard, connector } = egress({ allow: ['127.0.0.0/30', 'fd00::/8', '10.0.0.0/8'] });
    expect(await connect(connector, '127.0.0.3', port)).toBeUndefined();
    expect(await connect(connector, '::ffff:127.0.0.2', port)).toBeUndefined();
    expect(await connect(connector, '127.0.0.4', port)).toEqual(new AddressNotAllowed());
    expect(await connect(connector, '::ffff:127.0.0.4', port)).toEqual(new AddressNotAllowed());
    expect(await connect(connector, '::1', port)).toEqual(new AddressNotAllowed());
    expect(reached).toEqual(['127.0.0.3', '127.0.0.2']);
    for (const host of ['[fd12::1]', '10.1.2.3', '[64:ff9b::10.1.2.3]', '8.8.8.8'])
      expect([host, await guard.allows(`http://${host}/`)]).toEqual([host, true]);
    for (const host of ['[fc00::1]', '192.168.0.1', '[64:ff9b::192.168.0.1]', '[2002:a01:203::1]'])
      expect([host, await guard.allows(`http://${host}/`)]).toEqual([host, false]);
  });

  test('can be all there are', async () => {
    const { egress: guard } = egress({ allow: ['0.0.0.0/0', '::/0'] });
    for (const host of ['169.254.169.254', '[::1]', '[2002:a01:203::1]', '[::ffff:10.0.0.1]', '0'])
      expect([host, await guard.allows(`http://${host}/`)]).toEqual([host, true]);
  });

  test.each(['10.0.0.0/33', 'a.test', ''])('%j is none', (range) => {
    expect(() => new Egress({ allow: [range] })).toThrow(RangeError);
  });
});

describe('a host that is allowed', () => {
  const allowHosts = ['Db.Internal', '*.shop.internal.', '10.0.0.5'];

  test.each([
    ['db.internal', true],
    ['DB.internal.', true],
    ['a.db.internal', false],
    ['xdb.internal', false],
    ['internal', false],
    ['a.shop.internal', true],
    ['a.b.SHOP.internal', true],
    ['shop.internal', false],
    ['ashop.internal', false],
    ['shop.internal.example', false],
    ['10.0.0.5', true],
    ['10.0.0.6', false],
    ['0xa.5', true],
  ])('%s: %s', async (host, expected) => {
    const { egress: guard } = egress({ allowHosts, lookup: resolver(['10.0.0.9']) });
    expect(await guard.allows(`http://${host}/`)).toBe(expected);
  });

  test('is connected to wherever its name leads', async () => {
    const { port, reached } = await sink();
    const lookup = resolver(['127.0.0.2']);
    const { connector } = egress({ allowHosts, lookup });
    expect(await connect(connector, 'db.internal', port)).toBeUndefined();
    expect(await connect(connector, 'other.internal', port)).toEqual(new AddressNotAllowed());
    expect(reached).toEqual(['127.0.0.2']);
  });
});
