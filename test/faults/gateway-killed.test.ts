/** A gateway dies by SIGKILL the moment the first byte of an answer leaves it: what it answered was stored. */
import { expect, test } from '@jest/globals';
import { redis } from '../support/deployment.js';
import { describeWithRedis } from '../support/redis.js';
import { startServer } from '../support/server.js';
import { expectNothingLost, kills, startLoad } from './load.js';

describeWithRedis('a killed gateway', () => {
  test(
    'had stored everything it answered',
    async () => {
      const ground = await redis.prepare();
      const deployment = await redis.start({ ...ground, processes: ['gateway', 'delivery'] });
      let gateway = deployment.gateways[0]!;
      let armed: (() => void) | undefined;
      const load = await startLoad(deployment, {
        onFirstByte() {
          armed?.();
        },
      });
      for (let kill = 0; kill < kills; kill++) {
        await load.steady();
        await new Promise<void>((resolve) => {
          armed = () => {
            armed = undefined;
            gateway.kill();
            load.struck();
            resolve();
          };
        });
        await gateway.exited;
        gateway = await startServer({ ...gateway.settings, GRIDPOST_PORT: String(gateway.port) });
        await load.publisher.nextAccepted();
      }
      const judgement = await load.judge('gateway killed at its first answer byte', [
        gateway,
        ...deployment.workers,
      ]);
      expectNothingLost(judgement);
      // No worker died, so nothing was repeated but what an endpoint took too long for.
      expect(judgement.duplicates.length).toBeLessThanOrEqual(judgement.failed);
      await gateway.stop();
      await deployment.stop();
    },
    120_000 + kills * 60_000,
  );
});
