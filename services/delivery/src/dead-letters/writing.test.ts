/** Dead letters on their way to where subscriptions want them: all kinds of places, down and up again, and crashes. */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type DeadLetterDestination, Event, type Signing, type Subscription } from '@gridpost/model';
import { answer, Endpoint, makeCertificate, ObjectStore, type Received } from '@gridpost/model/testing';
import { Webhook } from 'standardwebhooks';
import { calm, Rig, type Running } from '../testing/rig.js';

const account = { region: 'eu-west-1', accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'a secret/+=' };

let rig: Rig;
/** What deliveries are refused by. */
let refusing: Endpoint;
/** What takes dead letters. */
let sink: Endpoint;
let objects: ObjectStore;
let root: string;

beforeEach(async () => {
  rig = await new Rig({ partitions: 2 }).prepare();
  refusing = await new Endpoint().listen();
  refusing.reply(answer(400));
  sink = await new Endpoint().listen();
  objects = await new ObjectStore(account).listen();
  root = await mkdtemp(join(tmpdir(), 'gridpost-dead-'));
});

afterEach(async () => {
  const left = await rig.close();
  for (const endpoint of [refusing, sink]) {
    await endpoint.until(() => endpoint.connections === 0);
    await endpoint.close();
  }
  await objects.close();
  await rm(root, { recursive: true, force: true });
  expect(left).toBe(0);
});

const minuteMs = 60_000;
/** One pass at least. */
const pass = (): Promise<void> => rig.clock.skip(2_100);

function work(deadLetterDelayMs = 0, s3: object = {}): Promise<Running> {
  const deadLetterPlaces = { directory: root, s3: { ...account, endpoint: objects.url, ...s3 } };
  return rig.work({ ...calm, deadLetterDelayMs }, { deadLetterPlaces });
}

const directory: DeadLetterDestination = { endpointType: 'Directory', properties: { path: 'kept/here' } };
const bucket: DeadLetterDestination = {
  endpointType: 'S3',
  properties: { bucket: 'letters', prefix: 'all' },
};
const hook = (path = '/letters?code=secret'): DeadLetterDestination => ({
  endpointType: 'WebHook',
  properties: { endpointUrl: sink.url + path },
});
const all = { Directory: () => directory, S3: () => bucket, WebHook: () => hook() };
const kinds = Object.keys(all) as (keyof typeof all)[];

const refused = (deadLetterDestination: DeadLetterDestination, name = 'hook'): Promise<Subscription> =>
  rig.subscribe(name, refusing.url, { deadLetterDestination });

/** Files below the directory, unfinished ones included. */
async function files(): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

interface Document {
  readonly id: string;
  readonly deadletterreason: string;
}

/** What has arrived at a kind of place, batch by batch. */
async function arrived(kind: keyof typeof all): Promise<{ name: string; documents: Document[] }[]> {
  const bodies: [string, string][] = [];
  if (kind === 'Directory')
    for (const file of await files())
      bodies.push([file.slice(root.length + 1), await readFile(file, 'utf8')]);
  else if (kind === 'S3') for (const [name, body] of objects.objects) bodies.push([name, body.toString()]);
  else for (const { path, body } of sink.received) bodies.push([path, body]);
  return bodies.map(([name, body]) => ({ name, documents: JSON.parse(body) as Document[] }));
}

const idsIn = (batches: readonly { documents: readonly Document[] }[]): string[] =>
  batches.flatMap(({ documents }) => documents.map(({ id }) => id)).sort();

/** Resolves when everything published has been given up. */
const givenUp = async (subscription: Subscription, count: number): Promise<void> => {
  await rig.settled();
  expect(await rig.usage(subscription)).toEqual({ deferred: 0, deadLettered: count });
};

/** Has one pass begin, and resolves when the subscription holds this many dead letters: disks take their own time. */
async function held(subscription: Subscription, count: number): Promise<void> {
  await pass();
  await rig.watched.until(async () => (await rig.usage(subscription)).deadLettered === count);
}

describe.each(kinds)('%s', (kind) => {
  test('takes the dead letters as an array of Event Grid’s documents, and they are let go', async () => {
    const subscription = await refused(all[kind]());
    const { metrics } = await work();
    const ids = rig.ids(3);
    await rig.publish(ids);
    await rig.settled();
    await held(subscription, 0);
    const [batch, ...others] = await arrived(kind);
    expect(others).toEqual([]);
    expect(idsIn([batch!])).toEqual(ids.sort());
    expect(batch!.documents[0]).toEqual({
      specversion: '1.0',
      id: expect.any(String),
      source: '/shop',
      type: 'order.created',
      data: { id: expect.any(String) },
      deadletterreason: 'UndeliverableDueToBadRequest',
      deliveryattempts: 1,
      lastdeliveryoutcome: 'BadRequest',
      publishtime: expect.stringMatching(/Z$/),
      lastdeliveryattempttime: expect.stringMatching(/Z$/),
    });
    expect(metrics.deadLettersWritten.with(kind).value).toBe(3);
    expect(metrics.deadLetterWriteFailures.with(kind).value).toBe(0);
  });

  test('that is down is tried again until it is up; nothing is lost, and all is seen', async () => {
    const subscription = await refused(all[kind]());
    const { metrics, lines } = await work();
    await rm(root, { recursive: true });
    objects.down = 'SlowDown';
    sink.reply(answer(503));
    const ids = rig.ids(5);
    await rig.publish(ids);
    await givenUp(subscription, 5);
    // After 100 ms, doubling to a minute: not at every beat, and in each minute.
    const failures = () => metrics.deadLetterWriteFailures.with(kind).value;
    for (let minute = 0; minute < 20; minute++) {
      const before = failures();
      // The minute, and the beat after it.
      await rig.clock.skip(minuteMs + 2_100);
      await rig.watched.until(() => failures() > before);
    }
    expect((await rig.usage(subscription)).deadLettered).toBe(5);
    expect(failures()).toBeLessThan(60);
    expect(metrics.unwrittenAge.with('orders', 'hook').value).toBeGreaterThan(19 * 60);
    const warned = lines.filter(({ message }) => message === 'writing dead letters fails, will be repeated');
    expect(warned).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain('secret');

    await mkdir(root);
    objects.down = undefined;
    const before = sink.received.length;
    sink.reply(answer(204));
    await rig.clock.skip(minuteMs);
    await held(subscription, 0);
    const batches = await arrived(kind);
    expect(idsIn(kind === 'WebHook' ? batches.slice(before) : batches)).toEqual(ids.sort());
    await pass();
    expect(metrics.unwrittenAge.with('orders', 'hook').value).toBe(0);
    expect(lines.map(({ message }) => message)).toContain('writing dead letters works again');
  });

  test('has them once more after a crash between writing and letting go, to be told by the name', async () => {
    const subscription = await refused(all[kind]());
    rig.watched.fails = (name) => (name === 'letGo' ? 'before' : undefined);
    const { delivery, metrics } = await work();
    const ids = rig.ids(4);
    await rig.publish(ids);
    await givenUp(subscription, 4);
    await pass();
    await rig.watched.until(() => metrics.deadLetterWriteFailures.with(kind).value > 0);
    await delivery.close();
    const before = await arrived(kind);
    expect(idsIn(before.slice(0, 1))).toEqual(ids.sort());

    rig.watched.fails = () => undefined;
    const second = await work();
    await rig.clock.skip(11_000);
    await held(subscription, 0);
    expect(second.metrics.deadLettersWritten.with(kind).value).toBe(4);
    const after = await arrived(kind);
    if (kind === 'WebHook') {
      const messageIds = new Set(sink.received.map(({ headers }) => headers['webhook-id']));
      expect(after.length).toBeGreaterThan(1);
      expect(messageIds.size).toBe(1);
    } else expect(after).toEqual(before.slice(0, 1));
  });
});

describe('files and objects', () => {
  test('are named by topic, subscription and hour, and one per partition', async () => {
    const subscription = await refused(directory);
    await work();
    await rig.publish(rig.ids(2), { partition: 0 });
    await rig.publish(rig.ids(2), { partition: 1 });
    await rig.settled();
    await held(subscription, 0);
    const names = (await arrived('Directory')).map(({ name }) => name).sort();
    const at = new Date(rig.clock.now());
    const day = `${at.getUTCFullYear()}/${at.getUTCMonth() + 1}/${at.getUTCDate()}`;
    for (const [partition, name] of names.entries())
      expect(name).toMatch(
        new RegExp(
          `^kept/here/orders/hook/${day}/\\d{1,2}/msg_${partition}_[0-9a-f]+_\\d_${subscription.incarnation}_\\d+\\.json$`,
        ),
      );
    expect(names).toHaveLength(2);
  });

  test('hold at most 250 documents, or a megabyte of them', async () => {
    const subscription = await refused(bucket);
    await work();
    await rig.publish(rig.ids(600));
    await rig.settled();
    await held(subscription, 0);
    const sizes = (await arrived('S3')).map(({ documents }) => documents.length);
    expect(sizes.sort()).toEqual([100, 250, 250]);
  });
});

test('a dead letter is written when its delay is over, and not before', async () => {
  const subscription = await refused(directory);
  await work(5 * minuteMs);
  await rig.publish(['a']);
  await givenUp(subscription, 1);
  await rig.clock.skip(4 * minuteMs);
  await rig.publish(['b']);
  await givenUp(subscription, 2);
  await rig.clock.skip(50_000);
  expect(await files()).toEqual([]);
  await rig.clock.skip(10_000);
  await held(subscription, 1);
  expect(idsIn(await arrived('Directory'))).toEqual(['a']);
  await rig.clock.skip(4 * minuteMs);
  await held(subscription, 0);
  expect(idsIn(await arrived('Directory'))).toEqual(['a', 'b']);
});

test('those of a subscription that is received from have the shape of namespace topics', async () => {
  const subscription = await rig.subscribeQueue(
    'queue',
    { eventTimeToLive: 'PT1M' },
    { deadLetterDestination: hook() },
  );
  await work();
  await rig.publish(['a']);
  await rig.clock.skip(2 * minuteMs);
  await sink.until(({ length }) => length > 0);
  await held(subscription, 0);
  const { headers, body } = sink.received[0]!;
  expect(headers['content-type']).toBe('application/json; charset=utf-8');
  expect(headers['aeg-subscription-name']).toBe('queue');
  expect(JSON.parse(body)).toEqual([
    {
      deadLetterProperties: expect.objectContaining({ deadletterreason: 'TimeToLiveExceeded' }),
      event: expect.objectContaining({ id: 'a' }),
    },
  ]);
});

test('one that was redriven while it was being written is delivered as well', async () => {
  const subscription = await refused(hook());
  await work();
  await rig.publish(['a', 'b']);
  let release = (): void => undefined;
  sink.reply((_, response) => {
    release = () => response.writeHead(200).end();
  });
  await givenUp(subscription, 2);
  await pass();
  await sink.until(({ length }) => length === 1);
  refusing.reply(answer(200));
  const [first] = await rig.deadLetters(subscription);
  await rig.watched.memory.redrive(0, subscription.incarnation, { places: [first!.place] });
  release();
  await held(subscription, 0);
  await rig.clock.skip(10_000);
  await rig.settled();
  expect(refusing.ids().sort()).toEqual(['a', 'b', new Event(first!.frame).id].sort());
});

test('a destination that hangs holds up no other, and is cut at the deadline', async () => {
  const slow = await refused(hook('/slow'), 'slow');
  const quick = await refused(directory, 'quick');
  sink.reply(() => undefined);
  const { metrics } = await work();
  await rig.publish(['a']);
  await rig.settled();
  await held(quick, 0);
  await sink.until(({ length }) => length === 1);
  expect(metrics.deadLetterWriteFailures.with('WebHook').value).toBe(0);
  await rig.clock.skip(30_000);
  sink.reply(answer(200));
  await rig.clock.skip(minuteMs);
  await held(slow, 0);
  expect(metrics.deadLetterWriteFailures.with('WebHook').value).toBe(1);
});

test.each([
  ['a redirect', 302],
  ['a 2xx that is none of Event Grid’s', 206],
])('%s is a failure, and is not followed', async (_, status) => {
  const subscription = await refused(hook('/letters'));
  sink.reply((request, response) =>
    answer(request.path === '/letters' ? status : 200, { location: '/elsewhere' })(request, response),
  );
  const { metrics } = await work();
  await rig.publish(['a']);
  await givenUp(subscription, 1);
  await pass();
  await sink.until(({ length }) => length > 0);
  await rig.watched.until(async () => {
    await pass();
    return metrics.deadLetterWriteFailures.with('WebHook').value > 0;
  });
  expect((await rig.usage(subscription)).deadLettered).toBe(1);
  expect(new Set(sink.received.map(({ path }) => path))).toEqual(new Set(['/letters']));
});

test.each([
  ['secretAccessKey', 'another', 'SignatureDoesNotMatch'],
  ['accessKeyId', 'ANOTHER', 'InvalidAccessKeyId'],
  ['region', 'us-east-1', 'AuthorizationHeaderMalformed'],
])('an account with a wrong %s writes nothing, and the log has why', async (name, value, code) => {
  const subscription = await refused(bucket);
  const { lines } = await work(0, { [name]: value });
  await rig.publish(['a']);
  await givenUp(subscription, 1);
  await pass();
  const warned = () => lines.find(({ message }) => message.startsWith('writing dead letters fails'));
  await rig.watched.until(() => warned() !== undefined);
  expect(objects.errors[0]).toBe(code);
  expect(warned()?.fields).toEqual({
    topic: 'orders',
    subscription: 'hook',
    error: `Error: answered 403 ${code}`,
  });
  expect((await rig.usage(subscription)).deadLettered).toBe(1);
});

test.each([
  [directory, 'GRIDPOST_DEAD_LETTER_DIRECTORY'],
  [bucket, 'GRIDPOST_DEAD_LETTER_S3_ACCESS_KEY_ID'],
])('a worker without the place for %j keeps them, and says what it lacks', async (destination, setting) => {
  const subscription = await refused(destination);
  const { lines } = await rig.work({ ...calm, deadLetterDelayMs: 0 });
  await rig.publish(['a']);
  await givenUp(subscription, 1);
  await pass();
  await pass();
  expect((await rig.usage(subscription)).deadLettered).toBe(1);
  expect(lines.map(({ fields }) => String(fields.error)).join()).toContain(setting);
});

test('a path that leads out of the directory is not written to, whoever stored it', async () => {
  const subscription = await refused({ endpointType: 'Directory', properties: { path: '../outside' } });
  const { metrics } = await work();
  await rig.publish(['a']);
  await givenUp(subscription, 1);
  await pass();
  await rig.watched.until(() => metrics.deadLetterWriteFailures.with('Directory').value > 0);
  expect(await files()).toEqual([]);
});

test('without a destination the store is not asked, and dead letters stay', async () => {
  const subscription = await rig.subscribe('hook', refusing.url);
  await work();
  await rig.publish(['a']);
  await givenUp(subscription, 1);
  const before = rig.watched.named('deadLetters').length;
  await rig.clock.skip(8_000);
  expect(rig.watched.named('deadLetters').length).toBe(before);
  // What was given up before there was a destination is written as well.
  await rig.put({
    ...subscription,
    properties: { ...subscription.properties, deadLetterDestination: directory },
  });
  await held(subscription, 0);
  expect(idsIn(await arrived('Directory'))).toEqual(['a']);
});

test('closing ends a request under way', async () => {
  const subscription = await refused(hook());
  sink.reply(() => undefined);
  const { delivery } = await work();
  await rig.publish(['a']);
  await givenUp(subscription, 1);
  await pass();
  await sink.until(({ length }) => length === 1);
  await delivery.close();
  expect((await rig.usage(subscription)).deadLettered).toBe(1);
});

describe('a webhook lets in', () => {
  type HookProperties = Extract<DeadLetterDestination, { endpointType: 'WebHook' }>['properties'];
  const secured = (more: Partial<HookProperties>, endpointUrl = sink.url): DeadLetterDestination => ({
    endpointType: 'WebHook',
    properties: { endpointUrl, ...more },
  });
  /** What came with the dead letter of one event. */
  async function writtenWith(destination: DeadLetterDestination, signing?: Signing): Promise<Received> {
    const subscription = await rig.subscribe('hook', refusing.url, {
      ...{ deadLetterDestination: destination },
      ...(signing ? { signing } : {}),
    });
    await work();
    await rig.publish(['a']);
    await givenUp(subscription, 1);
    await held(subscription, 0);
    return sink.received.at(-1)!;
  }

  test('whom it knows by a token', async () => {
    const { headers } = await writtenWith(secured({ credentials: { type: 'bearer', token: 'abc' } }));
    expect(headers.authorization).toBe('Bearer abc');
  });

  test('whom it knows by name and password', async () => {
    const credentials = { type: 'basic', username: 'me', password: 'x:y' } as const;
    const { headers } = await writtenWith(secured({ credentials }));
    expect(headers.authorization).toBe(`Basic ${Buffer.from('me:x:y').toString('base64')}`);
  });

  test('whom a token endpoint gave a token, and again when it was refused', async () => {
    const issuer = await new Endpoint().listen();
    issuer.reply((_, response) => {
      const access_token = `token-${issuer.received.length}`;
      response.end(JSON.stringify({ access_token, token_type: 'bearer', expires_in: 3_600 }));
    });
    sink.reply(({ headers }, response) => {
      response.writeHead(headers.authorization === 'Bearer token-1' ? 401 : 200).end();
    });
    const { headers } = await writtenWith(
      secured({
        credentials: {
          ...{ type: 'oauth2', tokenUrl: issuer.url, clientId: 'me', clientSecret: 'x' },
          clientAuthentication: 'basic',
        },
      }),
    );
    expect(headers.authorization).toBe('Bearer token-2');
    expect(sink.received.map(({ headers: each }) => each['webhook-id'])).toEqual(
      Array(2).fill(headers['webhook-id']),
    );
    await issuer.close();
  });

  test('whose certificate it knows, where its own is signed by an authority of one’s own', async () => {
    const [own, client] = [makeCertificate(), makeCertificate({ commonName: 'gridpost' })];
    const seen: string[] = [];
    const server = createServer({ ...own, ca: [client.cert], requestCert: true }, (request, response) => {
      request.resume().on('end', () => {
        seen.push(String((request.socket as TLSSocket).getPeerCertificate().subject.CN));
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await writtenWith(
      secured(
        {
          credentials: { type: 'clientCertificate', certificate: client.cert, privateKey: client.key },
          tls: { caCertificates: own.cert },
        },
        `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
      ),
    );
    expect(seen).toEqual(['gridpost']);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('whose signature is right, where that is asked for', async () => {
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    const signing: Signing = { scheme: 'v1', keys: [{ secret, createdAt: 0 }] };
    const { headers, body } = await writtenWith(secured({ signed: true }), signing);
    expect(headers['webhook-id']).toMatch(/^dead_[0-9a-f]{64}$/);
    const now = Date.now;
    // The verifier compares with the clock of this machine, which is not that of the worker.
    Date.now = () => Number(headers['webhook-timestamp']) * 1_000;
    try {
      expect(new Webhook(secret).verify(body, headers as Record<string, string>)).toHaveLength(1);
    } finally {
      Date.now = now;
    }
  });

  test('and nothing is signed where it is not', async () => {
    const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`;
    const { headers } = await writtenWith(secured({}), { scheme: 'v1', keys: [{ secret, createdAt: 0 }] });
    expect(headers).not.toHaveProperty('webhook-signature');
  });

  test('nobody by what it repeats in its answer', async () => {
    const token = 'CANARYtoken';
    const subscription = await refused(secured({ credentials: { type: 'bearer', token } }));
    sink.reply(answer(403, {}, `<Code>${token}</Code> ${token}`));
    const { lines, metrics } = await work();
    await rig.publish(['a']);
    await givenUp(subscription, 1);
    await rig.watched.until(async () => {
      await pass();
      return metrics.deadLetterWriteFailures.with('WebHook').value > 0;
    });
    expect(lines.map(({ fields }) => fields.error)).toContain('Error: answered 403');
    expect(JSON.stringify(lines)).not.toContain('CANARY');
  });
});
