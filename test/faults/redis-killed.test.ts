/** Redis dies by SIGKILL under load and is started again on its append-only file (`everysec`). */
import { expect, test } from '@jest/globals';
import { deploy } from '../support/deployment.js';
import { describeWithRedis, startOwnRedis } from '../support/redis.js';
import { expectNothingLost, kills, startLoad } from './load.js';

/** From Redis answering again, all reconnecting included. */
const publishingWithinMs = 3_000;
const deliveringWithinMs = 15_000;
const partitions = 8;

describeWithRedis('a killed Redis', () => {
  test(
    'has lost nothing, and publishing and delivering go on by themselves',
    async () => {
      const redis = await startOwnRedis();
      const deployment = await deploy({
        settings: { GRIDPOST_STORE: redis.url },
        processes: ['gateway', 'delivery', 'delivery'],
        close: () => redis.stop(),
      });
      const load = await startLoad(deployment, { partitions });
      let slowestPublishing = 0;
      let slowestDelivering = 0;
      for (let kill = 0; kill < kills; kill++) {
        load.struck();
        await redis.kill();
        await redis.restart();
        const answeringAt = performance.now();
        await load.publisher.nextAccepted();
        slowestPublishing = Math.max(slowestPublishing, performance.now() - answeringAt);
        slowestDelivering = Math.max(slowestDelivering, await load.caughtUp(deliveringWithinMs));
      }
      const judgement = await load.judge('Redis killed, everysec', deployment.servers);
      expectNothingLost(judgement);
      expect(slowestPublishing).toBeLessThan(publishingWithinMs);
      expect(slowestDelivering).toBeLessThan(deliveringWithinMs);
      await deployment.stop();
    },
    60_000 + kills * 20_000,
  );
});
