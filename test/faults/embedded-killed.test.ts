/** The one process on the embedded store dies by SIGKILL under load and is started again on the same directory. */
import { expect, test } from '@jest/globals';
import { embedded } from '../support/deployment.js';
import { startServer } from '../support/server.js';
import { deliveringWithinMs, expectNothingLost, kills, startLoad } from './load.js';

test(
  'a killed embedded server had stored everything it answered, and goes on after a restart',
  async () => {
    const deployment = await embedded.start();
    let server = deployment.servers[0]!;
    const load = await startLoad(deployment);
    let slowest = 0;
    for (let kill = 0; kill < kills; kill++) {
      await load.steady();
      await load.remember(server);
      server.kill();
      const strike = load.struck();
      await server.exited;
      server = await startServer({ ...server.settings, GRIDPOST_PORT: String(server.port) });
      await load.publisher.nextAccepted();
      slowest = Math.max(slowest, await strike.recovered(deliveringWithinMs));
    }
    const judgement = await load.judge('embedded server killed', [server]);
    expectNothingLost(judgement);
    expect(slowest).toBeLessThan(deliveringWithinMs);
    expect((await server.stop()).code).toBe(0);
  },
  120_000 + kills * 90_000,
);
