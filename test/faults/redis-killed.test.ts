/** Redis dies by SIGKILL under load and is started again on its append-only file. */
import { expect, test } from '@jest/globals';
import { deploy } from '../support/deployment.js';
import { describeWithRedis, startOwnRedis } from '../support/redis.js';
import { deliveringWithinMs, expectNothingLost, kills, publishingWithinMs, startLoad } from './load.js';

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
        await load.steady();
        const strike = load.struck();
        await redis.kill();
        await redis.restart();
        const answeringAt = performance.now();
        await load.publisher.nextAccepted();
        slowestPublishing = Math.max(slowestPublishing, performance.now() - answeringAt);
        slowestDelivering = Math.max(slowestDelivering, await strike.recovered(deliveringWithinMs));
      }
      const judgement = await load.judge('Redis killed', deployment.servers);
      expectNothingLost(judgement);
      expect(slowestPublishing).toBeLessThan(publishingWithinMs);
      expect(slowestDelivering).toBeLessThan(deliveringWithinMs);
      await deployment.stop();
    },
    120_000 + kills * 90_000,
  );
});
