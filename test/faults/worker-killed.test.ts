/** A delivery worker dies by SIGKILL while endpoints hold its attempts unanswered; the other takes over what it owned. */
import { expect, test } from '@jest/globals';
import { metricOf, redis } from '../support/deployment.js';
import { describeWithRedis } from '../support/redis.js';
import { type ServerProcess, startServer } from '../support/server.js';
import type { Receipt } from '../support/sink.js';
import { until } from '../support/waiting.js';
import { deliveringWithinMs, expectNothingLost, kills, startLoad } from './load.js';

const partitions = 8;

describeWithRedis('a killed worker', () => {
  test(
    'loses nothing, repeats no more than was unsettled, and is succeeded in time',
    async () => {
      const deployment = await redis.start();
      const load = await startLoad(deployment, { partitions });
      const workers: ServerProcess[] = [...deployment.workers];
      let slowest = 0;
      for (let kill = 0; kill < kills; kill++) {
        const victim = workers[kill % 2]!;
        await until('both workers own partitions', async () => {
          const owned = await Promise.all(
            workers.map((worker) => metricOf([worker], 'gridpost_partitions_owned')),
          );
          return owned.every((count) => count > 0);
        });
        await load.steady();
        const held: Receipt[] = [];
        let release = (): void => {};
        const released = new Promise<void>((resolve) => {
          release = resolve;
        });
        load.sink.reply(async (receipt) => {
          held.push(receipt);
          await released;
          return { status: 200 };
        });
        // Only an attempt of the victim's, and one that has arrived, can be cut by its death.
        await until('the victim has attempts under way', async () => {
          const [ofVictim, ofAll] = await Promise.all([
            metricOf([victim], 'gridpost_attempts_in_flight'),
            metricOf(workers, 'gridpost_attempts_in_flight'),
          ]);
          return ofVictim > 0 && held.length >= Math.max(16, ofAll);
        });
        await load.remember(victim);
        victim.kill();
        const strike = load.struck();
        await victim.exited;
        await until('attempts were cut', () => held.some(({ cut }) => cut), { everyMs: 1 });
        load.sink.reply({ status: 200 });
        release();
        slowest = Math.max(slowest, await strike.recovered(deliveringWithinMs));
        workers[kill % 2] = await startServer(victim.settings);
      }
      const judgement = await load.judge('worker killed mid-attempt', [...deployment.gateways, ...workers]);
      expectNothingLost(judgement);
      expect(slowest).toBeLessThan(deliveringWithinMs);
      expect(judgement.longestGapMs).toBeLessThan(deliveringWithinMs);
      await deployment.stop();
    },
    120_000 + kills * 90_000,
  );
});
