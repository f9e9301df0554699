/** Connections through a proxy that is a real one, but for what it resolves names to. */
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { makeCertificate } from '@gridpost/model/testing';
import { buildConnector, Client } from 'undici';
import { AddressNotAllowed } from './address-not-allowed.js';
import type { Connector } from './connector.js';
import { Egress } from './egress.js';
import { tunnelConnector } from './tunnel.js';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

interface Proxied {
  readonly url: string;
  /** What was asked for, with the credential. */
  readonly asked: (readonly [authority: string, credential: string | undefined])[];
}

/** Takes every tunnel to this port here; or answers with a status, and after it whatever else. */
async function proxy(port: number, { status = 200, early = '' } = {}): Promise<Proxied> {
  const asked: Proxied['asked'] = [];
  const server = createHttpServer();
  server.on('connect', ({ url, headers }, socket: Socket) => {
    asked.push([url!, headers['proxy-authorization']]);
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
      return;
    }
    const onward = connect(port, '127.0.0.1', () => {
      socket.write(`HTTP/1.1 200 Connected\r\n\r\n${early}`);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  return { url: `http://127.0.0.1:${await listening(server)}`, asked };
}

const answering = (): Promise<number> =>
  listening(createHttpServer(({ headers, url }, response) => response.end(`${headers.host} ${url}`)));

/** The body of an answer, or the error. */
async function got(url: string, connector: Connector): Promise<string> {
  const { origin, pathname: path } = new URL(url);
  const client = new Client(origin, { connect: connector });
  ends.push(() => client.destroy());
  return (await client.request({ path, method: 'GET' })).body.text();
}

test.each([
  ['http://name.test/a', 'name.test:80', 'name.test /a'],
  ['http://name.test:8080/a', 'name.test:8080', 'name.test:8080 /a'],
  ['http://127.0.0.1:81/', '127.0.0.1:81', '127.0.0.1:81 /'],
  ['http://[::1]/', '[::1]:80', '[::1] /'],
])('%s is a tunnel to %s', async (url, authority, body) => {
  const { url: through, asked } = await proxy(await answering());
  const connector = new Egress({ proxy: through, allow: ['127.0.0.1', '::1'] }).connector(5_000);
  expect(await got(url, connector)).toBe(body);
  expect(asked).toEqual([[authority, undefined]]);
});

test('an endpoint’s certificate is checked through it, for the endpoint’s name', async () => {
  const tls = makeCertificate();
  const port = await listening(createTlsServer(tls, (_, response) => response.end('secure')));
  const { url, asked } = await proxy(port);
  const through = tunnelConnector(new URL(url), 5_000, buildConnector({ ca: tls.cert }));
  expect(await got('https://localhost/', through)).toBe('secure');
  await expect(got('https://name.test/', through)).rejects.toMatchObject({
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  });
  await expect(
    got('https://localhost/', new Egress({ proxy: url, allowHosts: ['localhost'] }).connector(5_000)),
  ).rejects.toMatchObject({
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  });
  expect(asked.map(([authority]) => authority)).toEqual(['localhost:443', 'name.test:443', 'localhost:443']);
});

test('it is told the user name and the password of its URL', async () => {
  const { url, asked } = await proxy(await answering());
  const proxied = new Egress({ proxy: url.replace('//', '//us%3Aer:p%40ss@') });
  await got('http://name.test/', proxied.connector(5_000));
  expect(asked).toEqual([['name.test:80', `Basic ${Buffer.from('us:er:p@ss').toString('base64')}`]]);
  // An escape that is none is taken as it is written.
  await got('http://name.test/', new Egress({ proxy: url.replace('//', '//a%zz@') }).connector(5_000));
  expect(asked[1]![1]).toBe(`Basic ${Buffer.from('a%zz:').toString('base64')}`);
});

test.each([403, 407, 502, 103, 304])('its answer %i is an error that does not name it', async (status) => {
  const { url } = await proxy(0, { status });
  await expect(got('http://name.test/', new Egress({ proxy: url }).connector(5_000))).rejects.toMatchObject({
    code: 'ERR_EGRESS_PROXY',
    message: `the egress proxy answered ${status}`,
  });
});

test('that it is not there is an error that does not name it', async () => {
  const connector = new Egress({ proxy: 'http://127.0.0.1:1' }).connector(5_000);
  await expect(got('http://name.test/', connector)).rejects.toMatchObject({
    code: 'ERR_EGRESS_PROXY',
    message: 'the egress proxy cannot be used',
  });
});

test('one that does not answer is given up', async () => {
  const port = await listening(createHttpServer().on('connect', () => undefined));
  const connector = new Egress({ proxy: `http://127.0.0.1:${port}` }).connector(50);
  await expect(got('http://name.test/', connector)).rejects.toMatchObject({ code: 'ERR_EGRESS_PROXY' });
});

test('connecting through it can be ended', async () => {
  const server = createHttpServer();
  const taken = new Promise<Socket>((resolve) =>
    server.on('connect', (_, socket: Socket) => resolve(socket)),
  );
  const connector = new Egress({ proxy: `http://127.0.0.1:${await listening(server)}` }).connector(5_000);
  const options = { hostname: 'name.test', protocol: 'http:', port: '80' };
  const ending = connector(options, () => undefined) as unknown as { destroy(): void };
  const socket = await taken;
  const closed = new Promise<void>((resolve) => socket.resume().on('end', resolve));
  ending.destroy();
  await closed;
});

test('what an endpoint says unasked is not lost', async () => {
  const port = await listening(createHttpServer());
  const { url } = await proxy(port, { early: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly' });
  const connector = new Egress({ proxy: url }).connector(5_000);
  const said = await new Promise<string>((resolve, reject) => {
    connector({ hostname: 'name.test', protocol: 'http:', port: '80' }, (error, socket) => {
      if (error) reject(error);
      else socket.once('data', (chunk: Buffer) => resolve(chunk.toString()));
    });
  });
  expect(said).toMatch(/early$/);
});

test('addresses are checked all the same, names are its business, and localhost is no name', async () => {
  const { url, asked } = await proxy(await answering());
  const lookup = () => {
    throw new Error('looked up');
  };
  const egress = new Egress({ proxy: url, lookup });
  for (const host of ['127.0.0.1', '[::1]', '10.0.0.1', 'localhost', 'a.localhost', 'LOCALHOST.']) {
    expect([host, await egress.allows(`http://${host}/`)]).toEqual([host, false]);
    await expect(got(`http://${host}/`, egress.connector(5_000))).rejects.toEqual(new AddressNotAllowed());
  }
  expect(asked).toEqual([]);
  expect(await egress.allows('http://name.test/')).toBe(true);
  const open = new Egress({ proxy: url, lookup, allow: ['127.0.0.0/8'] });
  expect(await open.allows('http://localhost/')).toBe(true);
});
