/**
 * A worker sleeps past its ownership (SIGSTOP) and wakes up believing that it still owns its partitions: another has
 * taken them over meanwhile, and what the sleeper does then must change nothing.
 */
import { expect, test } from '@jest/globals';
import { metricOf, redis } from '../support/deployment.js';
import { describeWithRedis } from '../support/redis.js';
import { until } from '../support/waiting.js';
import { deliveringWithinMs, expectNothingLost, startLoad, thorough } from './load.js';

const partitions = 8;

describeWithRedis('a worker that sleeps past its ownership', () => {
  // Takes an ownership's ten seconds and a handover, which the short run has no time for.
  (thorough ? test : test.skip)(
    'is succeeded, and when it wakes it disturbs nothing',
    async () => {
      const deployment = await redis.start();
      const [sleeper, other] = deployment.workers;
      const owned = (): Promise<number> => metricOf([other!], 'gridpost_partitions_owned');
      const load = await startLoad(deployment, { partitions });
      await until('both own partitions', async () => (await owned()) < partitions);
      await load.steady();
      sleeper!.kill('SIGSTOP');
      const strike = load.struck();
      await until('the other owns everything', async () => (await owned()) === partitions, {
        withinMs: 60_000,
      });
      const recoveredMs = await strike.recovered(deliveringWithinMs);
      await load.steady();
      sleeper!.kill('SIGCONT');
      // It finds out, and in time gets its share back.
      await until('both own partitions again', async () => (await owned()) < partitions, {
        withinMs: 60_000,
      });
      await load.steady();
      const judgement = await load.judge('worker frozen past its ownership', deployment.servers);
      expectNothingLost(judgement);
      expect(recoveredMs).toBeLessThan(deliveringWithinMs);
      await deployment.stop();
    },
    240_000,
  );
});
