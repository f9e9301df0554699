/**
 * A quota of events a second is the deployment's: each gateway lets its share pass, and the whole of it once it is alone.
 * A batch of ten seconds' events passes a full bucket and leaves a debt; how long that has to be waited for tells the share,
 * however long the requests themselves take.
 */
import { expect, test } from '@jest/globals';
import { type Api, eventOf } from '../support/api.js';
import { type Deployment, describeStores } from '../support/deployment.js';
import { startSink } from '../support/sink.js';
import { until } from '../support/waiting.js';

const eventsPerSecond = 20;
const batch = Array.from({ length: 10 * eventsPerSecond }, () => eventOf());

describeStores('quotas', (topology) => {
  let topics = 0;

  async function newTopic({ api }: Deployment): Promise<string> {
    const topic = `quota-${++topics}`;
    await api.putTopic(topic, { publishQuota: { eventsPerSecond } });
    return topic;
  }

  /** Publishes a batch and then an event, and returns in how many seconds the event would be taken. */
  async function wait(api: Api, topic: string): Promise<number> {
    expect((await api.publishBatch(topic, batch)).status).toBe(200);
    const { status, headers, body } = await api.publish(topic, eventOf());
    expect([status, JSON.parse(body.toString()).error.code]).toEqual([429, 'TooManyRequests']);
    return Number(headers['retry-after']);
  }

  /** What a gateway by itself makes up for in (10 · 20 + 1 − 20) / 20 = 9.05 s, one of two makes up for in 19.1 s. */
  const aloneMax = 12;

  test('are shared by the gateways there are, and nothing of what is refused is stored', async () => {
    const ground = await topology.prepare();
    const alone = ground.processes.length === 1;
    const processes = alone ? ground.processes : (['gateway', 'gateway', 'delivery'] as const);
    const deployment = await topology.start({ ...ground, processes });
    const sink = await startSink();
    const { gateways, apis } = deployment;
    for (const api of apis) {
      await until('the gateway knows of the other', async () => {
        return (await wait(api, await newTopic(deployment))) > aloneMax !== alone;
      });
    }
    const topic = await newTopic(deployment);
    await deployment.api.putSubscription(topic, 'all', { url: sink.url('/all') });
    for (const api of apis) await wait(api, topic);
    const refused = await deployment.metric('gridpost_publish_throttled_total', { topic, reason: 'events' });
    expect(refused).toBe(apis.length);
    await sink.received('/all', apis.length * batch.length);
    const left = apis[0]!;
    for (const gateway of gateways.slice(1)) await gateway.stop();
    await until('the gateway that is left has it all', async () => {
      return (await wait(left, await newTopic(deployment))) <= aloneMax;
    });
    expect(sink.on('/all')).toHaveLength(apis.length * batch.length);
    await deployment.stop();
  });

  test('bound what subscriptions hold: publishers are refused until it is less', async () => {
    const deployment = await topology.start();
    const { api, apis } = deployment;
    const sink = await startSink();
    sink.reply({ status: 500 });
    const topic = 'held';
    await api.putTopic(topic, { publishQuota: { deferredBytesMax: 20_000 } });
    await api.putSubscription(topic, 'broken', { url: sink.url('/broken') });
    let accepted = 0;
    for (const each of apis) {
      const { headers, body } = await until('publishers are refused', async () => {
        const answer = await each.publish(topic, eventOf({ data: 'x'.repeat(5_000) }));
        if (answer.status === 200) accepted++;
        return answer.status === 429 && answer;
      });
      expect(body.toString()).toContain('TooMuchDeferred');
      expect(headers['retry-after']).toBe('5');
    }
    expect(accepted).toBeGreaterThan(3);
    await api.deleteSubscription(topic, 'broken');
    for (const each of apis)
      await until('publishing goes on', async () => (await each.publish(topic, eventOf())).status === 200);
    await deployment.stop();
  });
});
