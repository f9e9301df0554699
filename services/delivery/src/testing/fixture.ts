/** What most tests of this room begin and end with. */
import { afterEach, beforeEach, expect } from '@jest/globals';
import { Endpoint } from '@gridpost/model/testing';
import { Rig } from './rig.js';

export interface Fixture {
  readonly rig: Rig;
  readonly endpoint: Endpoint;
}

/** Gives each test a rig and an endpoint that answers; afterwards nothing is left in hand, and no connection open. */
export function eachTest(use: (fixture: Fixture) => void): void {
  let rig: Rig;
  let endpoint: Endpoint;
  beforeEach(async () => {
    rig = await new Rig().prepare();
    endpoint = await new Endpoint().listen();
    use({ rig, endpoint });
  });
  afterEach(async () => {
    const left = await rig.close();
    await endpoint.until(() => endpoint.connections === 0);
    await endpoint.close();
    expect(left).toBe(0);
  });
}
