/**
 * From the publisher's request to the endpoint's, on every topology: each content mode, by hand and by the SDK that
 * publishers use; bytes, extensions, filters, and what creating and deleting a subscription promises.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CloudEvent, emitterFor, HTTP, httpTransport, Mode } from 'cloudevents';
import { eventOf, expectStatus, publishPath } from '../support/api.js';
import { type Deployment, describeTopologies } from '../support/deployment.js';
import { call } from '../support/http.js';
import { type Receipt, type Sink, startSink } from '../support/sink.js';
import { pause } from '../support/waiting.js';

/** JSON that survives only if nobody parses and prints it. */
const oddData =
  '{"big":12345678901234567890,"float":1e400,"tiny":-0.0,"twice":1,"twice":{"a":[]},"esc":"\\u00e9\\/\\ud83d\\ude00", "s" : "\\u0000é😀" }';

describeTopologies('delivering', (topology) => {
  let deployment: Deployment;
  let sink: Sink;
  let topics = 0;

  beforeAll(async () => {
    deployment = await topology.start();
    sink = await startSink();
  });
  afterAll(() => deployment?.stop());

  /** A topic of the test's own, with a subscription to everything at a path of the same name. */
  async function setup(wish: { contentMode?: 'structured' | 'binary' } = {}) {
    const { api } = deployment;
    const topic = `t-${++topics}`;
    const path = `/${topic}`;
    await api.putTopic(topic);
    await api.putSubscription(topic, 'all', { url: sink.url(path), ...wish });
    const received = (count = 1): Promise<Receipt[]> => sink.received(path, count);
    return { api, topic, path, received };
  }

  test.each(['structured', 'binary'] as const)(
    'a structured event arrives in %s mode, bytes and all',
    async (contentMode) => {
      const { api, topic, received } = await setup({ contentMode });
      const sent = `{"specversion":"1.0","id":"s-1","source":"/s?q=%C3%A9","type":"a.b","ext1":"x é % \\u20ac","extnum":7,"extflag":true,"data":${oddData}}`;
      expectStatus(await api.publish(topic, sent), 200);
      const [receipt] = await received();
      const { attributes, data } = receipt!.event;
      expect(data!.toString()).toBe(oddData);
      expect(attributes).toMatchObject({ id: 's-1', source: '/s?q=%C3%A9', type: 'a.b', ext1: 'x é % €' });
      // Header values are text: in binary mode integers and booleans come back as their spelling.
      expect([String(attributes.extnum), String(attributes.extflag)]).toEqual(['7', 'true']);
      if (contentMode === 'structured') expect(receipt!.body.toString()).toBe(sent);
      else expect(attributes.datacontenttype).toMatch(/^application\/json/);
    },
  );

  test.each(['structured', 'binary'] as const)(
    'a binary event arrives in %s mode, bytes and all',
    async (contentMode) => {
      const { api, topic, received } = await setup({ contentMode });
      const bytes = Buffer.from([0, 1, 2, 0xff, 0xfe, 0x0d, 0x0a]);
      const headers = {
        'ce-specversion': '1.0',
        'ce-id': 'b-1',
        'ce-source': '/b',
        'ce-type': 'a.b',
        'ce-subject': 'Euro%20%E2%82%AC',
        'ce-anything': 'goes',
        'content-type': 'application/octet-stream',
      };
      expectStatus(await api.publishBinary(topic, headers, bytes), 200);
      const [receipt] = await received();
      expect(receipt!.event.data).toEqual(bytes);
      expect(receipt!.event.attributes).toMatchObject({
        id: 'b-1',
        subject: 'Euro €',
        anything: 'goes',
        datacontenttype: 'application/octet-stream',
      });
    },
  );

  test('odd JSON survives binary publishing as well', async () => {
    const { api, topic, received } = await setup();
    const headers = {
      'ce-specversion': '1.0',
      'ce-id': 'b-2',
      'ce-source': '/b',
      'ce-type': 'a.b',
      'content-type': 'application/json',
    };
    expectStatus(await api.publishBinary(topic, headers, oddData), 200);
    expect((await received())[0]!.event.data!.toString()).toBe(oddData);
  });

  test('the events of a batch arrive one by one', async () => {
    const { api, topic, received } = await setup();
    const events = Array.from({ length: 300 }, (_, i) => eventOf({ id: `batch-${i}`, data: { i } }));
    expectStatus(await api.publishBatch(topic, events), 200);
    const receipts = await received(events.length);
    expect(new Set(receipts.map(({ event }) => event.attributes.id))).toEqual(
      new Set(events.map(({ id }) => id)),
    );
    expect(new Set(receipts.map(({ headers }) => headers['webhook-id'])).size).toBe(events.length);
  });

  test.each(['binary', 'structured'] as const)(
    'the cloudevents SDK publishes in %s mode and reads what arrives',
    async (mode) => {
      const { topic, received } = await setup({ contentMode: mode });
      const event = new CloudEvent({
        id: `sdk-${mode}`,
        source: '/sdk',
        type: 'sdk.event',
        subject: 'a/b',
        time: '2026-05-04T03:02:01.000Z',
        comexample: 'kept',
        data: { order: 42, name: 'Zoë' },
      });
      const emit = emitterFor(httpTransport(deployment.api.url + publishPath(topic)), {
        mode: mode === 'binary' ? Mode.BINARY : Mode.STRUCTURED,
      });
      await emit(event);
      const [receipt] = await received();
      const read = HTTP.toEvent<unknown>({
        headers: receipt!.headers as Record<string, string>,
        body: receipt!.body.toString(),
      }) as CloudEvent<unknown>;
      const { datacontenttype, ...sent } = event.toJSON();
      expect(read.toJSON()).toMatchObject(sent);
      // In binary mode the SDK itself says what the body is.
      if (mode === 'structured') expect(read.datacontenttype).toBe(datacontenttype);
    },
  );

  test('filters of every language route events by their attributes and their data', async () => {
    const { api, topic } = await setup();
    const advanced = (operatorType: string, key: string, more: object): Record<string, unknown> => ({
      filter: { advancedFilters: [{ operatorType, key, ...more }] },
    });
    const wanting: Record<string, Record<string, unknown>> = {
      number: advanced('NumberGreaterThan', 'data.order.Amount', { value: 100 }),
      text: advanced('StringIn', 'data.order.country', { values: ['DE', 'at'] }),
      none: advanced('IsNullOrUndefined', 'data.order.discount', {}),
      entries: {
        filters: [{ any: [{ exact: { 'data.order.country': 'ch' } }, { prefix: { source: '/vip/' } }] }],
      },
      sql: { filters: [{ sql: "tenant LIKE 'eu-%' AND data.order.amount > 50" }] },
    };
    for (const [name, properties] of Object.entries(wanting))
      await api.putSubscription(topic, name, { url: sink.url(`/${topic}/${name}`), properties });
    const order = (id: string, fields: object, attributes: object = {}) =>
      eventOf({ id, data: { order: fields }, ...attributes });
    const events = [
      order('large', { amount: 101, country: 'fr', discount: 1 }),
      order('austrian', { amount: 7, country: 'AT', discount: null }, { tenant: 'eu-1' }),
      order('swiss', { amount: 60, country: 'ch', discount: 5 }, { tenant: 'eu-2' }),
      order('vip', { amount: 1, country: 'fr', discount: 5 }, { source: '/vip/7' }),
    ];
    for (const event of events) expectStatus(await api.publish(topic, event), 200);
    // Whoever is subscribed to everything has all four when the others have what they want.
    await sink.received(`/${topic}`, events.length);
    const expected = {
      number: ['large'],
      text: ['austrian'],
      none: ['austrian'],
      entries: ['swiss', 'vip'],
      sql: ['swiss'],
    };
    for (const [name, ids] of Object.entries(expected)) {
      await sink.received(`/${topic}/${name}`, ids.length);
      expect([
        name,
        sink
          .on(`/${topic}/${name}`)
          .map(({ event }) => event.attributes.id)
          .sort(),
      ]).toEqual([name, ids]);
    }
    const explained = await api.send('POST', `/topics/${topic}/eventsubscriptions/sql:explain`, { events });
    expect(
      JSON.parse(explained.body.toString()).results.map(({ matches }: { matches: boolean }) => matches),
    ).toEqual([...[false, false, true, false]]);
  });

  test('filters decide by type and subject, and an event goes to everybody who wants it', async () => {
    const { api } = deployment;
    const topic = `t-${++topics}`;
    await api.putTopic(topic);
    const filters = {
      types: { includedEventTypes: ['order.created', 'order.paid'] },
      prefix: { subjectBeginsWith: '/EU/' },
      suffix: { subjectEndsWith: '.jpg', isSubjectCaseSensitive: true },
      both: { includedEventTypes: ['order.created'], subjectBeginsWith: '/eu/', subjectEndsWith: '.JPG' },
      all: {},
    };
    for (const [name, filter] of Object.entries(filters))
      await api.putSubscription(topic, name, { url: sink.url(`/${topic}/${name}`), filter });
    const events = {
      a: { type: 'order.created', subject: '/eu/1.jpg' },
      b: { type: 'order.created', subject: '/us/2.JPG' },
      c: { type: 'order.paid' },
      d: { type: 'Order.created', subject: '/eu/3.png' },
    };
    for (const [id, attributes] of Object.entries(events))
      await api.accept(topic, eventOf({ id, ...attributes }));
    const expected = { types: 'abc', prefix: 'ad', suffix: 'a', both: 'a', all: 'abcd' };
    const total = Object.values(expected).join('').length;
    await sink.received(({ path }) => path.startsWith(`/${topic}/`), total);
    const seen = Object.keys(filters).map((name) => [
      name,
      sink
        .on(`/${topic}/${name}`)
        .map(({ event }) => event.attributes.id)
        .sort()
        .join(''),
    ]);
    expect(Object.fromEntries(seen)).toEqual(expected);
  });

  test('a subscription whose creation was answered receives what is published after, through any gateway', async () => {
    const { apis } = deployment;
    const topic = `t-${++topics}`;
    await apis[0]!.putTopic(topic);
    const rounds = 10;
    for (let round = 0; round < rounds; round++) {
      const at = apis[round % apis.length]!;
      const other = apis[(round + 1) % apis.length]!;
      await at.putSubscription(topic, `s-${round}`, { url: sink.url(`/${topic}/${round}`) });
      await other.accept(topic, eventOf({ id: `r-${round}` }));
    }
    // An event published just before may still be matched after the creation, so the ones that must come are awaited.
    for (let round = 0; round < rounds; round++) {
      await sink.received(
        ({ path, event }) => path === `/${topic}/${round}` && event.attributes.id === `r-${round}`,
        1,
      );
    }
  });

  test('no attempt starts later than 2 s after a deletion was answered', async () => {
    const { api, topic, path, received } = await setup();
    let publishing = true;
    const publish = (async () => {
      while (publishing) {
        await api.accept(topic, eventOf());
        await pause(5);
      }
    })();
    await received(20);
    await api.deleteSubscription(topic, 'all');
    const answeredAt = performance.now();
    await pause(4_000);
    publishing = false;
    await publish;
    // What started in time may arrive later, by as much as a busy machine holds it up.
    expect(sink.on(path).filter(({ at }) => at > answeredAt + 2_000 + 1_000)).toEqual([]);
  });

  test('a name used again inherits nothing', async () => {
    const { api, topic, path, received } = await setup();
    sink.reply((receipt) => (receipt.path === path ? { status: 500 } : { status: 200 }));
    await api.accept(topic, eventOf({ id: 'old' }));
    await received();
    await api.deleteSubscription(topic, 'all');
    sink.reply({ status: 200 });
    await api.putSubscription(topic, 'all', { url: sink.url(`${path}/again`) });
    await api.accept(topic, eventOf({ id: 'new' }));
    const [receipt] = await sink.received(`${path}/again`);
    expect(receipt!.event.attributes.id).toBe('new');
    expect(await api.deadLetters(topic, 'all')).toEqual([]);
  });

  test('a request by plain HTTP needs nothing but a content type', async () => {
    const { topic, received } = await setup();
    const answer = await call(deployment.api.url + publishPath(topic), {
      method: 'POST',
      headers: { 'content-type': 'application/cloudevents+json; charset=UTF-8' },
      body: JSON.stringify(eventOf({ id: 'curl' })),
    });
    expect(answer.status).toBe(200);
    const [receipt] = await received();
    expect(receipt!.method).toBe('POST');
    expect(receipt!.headers).toMatchObject({
      'aeg-event-type': 'Notification',
      'aeg-subscription-name': 'all',
      'aeg-delivery-count': '0',
    });
  });
});
