/**
 * The CloudEvents project's own cases for the JSON format, end to end: what is valid is accepted and delivered as the
 * sample that the case names, in both content modes; what is invalid is refused and nothing of it delivered.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { type Api, eventOf, expectStatus } from '../support/api.js';
import { embedded } from '../support/deployment.js';
import { type Sink, startSink } from '../support/sink.js';
import type { Delivered } from '../support/wire.js';

interface Case {
  readonly id: string;
  readonly sampleId?: string;
  readonly event?: unknown;
  readonly batch?: readonly unknown[];
}

type Sample = Readonly<Record<string, unknown>>;

const directory = join(import.meta.dirname, '..', 'vectors', 'cloudevents-json');
const casesIn = (file: string): Case[] =>
  (JSON.parse(readFileSync(join(directory, file), 'utf8')) as { tests: Case[] }).tests;

const base = (id: string, more: Sample = {}): Sample => ({
  specversion: '1.0',
  type: 'io.cloudevents.test',
  source: 'https://cloudevents.io',
  id,
  ...more,
});

/** The expected events, as the README beside the vectors describes them. */
const samples: Readonly<Record<string, Sample>> = {
  minimal: base('minimal'),
  minimalWithTime: base('minimalWithTime', { time: '2018-04-05T17:31:00Z' }),
  minimalWithRelativeSource: base('minimalWithRelativeSource', { source: '#fragment' }),
  allCore: base('allCore', {
    datacontenttype: 'text/plain',
    dataschema: 'https://cloudevents.io/dataschema',
    subject: 'tests',
    time: '2018-04-05T17:31:00Z',
  }),
  simpleTextData: base('simpleTextData', { datacontenttype: 'text/plain', data: 'Simple text' }),
  allExtensionTypes: base('allExtensionTypes', {
    extinteger: 10,
    extboolean: true,
    extstring: 'text',
    extbinary: 'TWE=',
    exttimestamp: '2023-03-31T15:12:00Z',
    exturi: 'https://cloudevents.io',
    exturiref: '//authority/path',
  }),
};

const batches: Readonly<Record<string, readonly string[]>> = {
  empty: [],
  minimal: ['minimal'],
  minimal2: ['minimal', 'minimal'],
  minimalAndAllCore: ['minimal', 'allCore'],
  minimalAndAllExtensionTypes: ['minimal', 'allExtensionTypes'],
};

/** A delivered event in the terms of a sample. Header values are text, so in binary mode the sample is made text too. */
function asSample({ attributes, data }: Delivered, mode: 'structured' | 'binary'): Sample {
  const text = data?.toString();
  return instants({
    ...attributes,
    ...(text === undefined ? {} : { data: mode === 'structured' ? JSON.parse(text) : text }),
  });
}

function expected(id: string, mode: 'structured' | 'binary'): Sample {
  const sample = instants(samples[id]!);
  if (mode === 'structured') return sample;
  return Object.fromEntries(Object.entries(sample).map(([name, value]) => [name, String(value)]));
}

function instants(sample: Sample): Sample {
  return 'time' in sample ? { ...sample, time: new Date(String(sample.time)).toISOString() } : sample;
}

let api: Api;
let sink: Sink;

beforeAll(async () => {
  ({ api } = await embedded.start());
  sink = await startSink();
  await api.putTopic('conformance');
  for (const contentMode of ['structured', 'binary'] as const)
    await api.putSubscription('conformance', contentMode, { url: sink.url(`/${contentMode}`), contentMode });
});

/**
 * What arrived since the last call, by mode, once at least `count` events have in each. What is not to come had its chance
 * by the time a marker arrives that was published after it.
 */
async function arrived(count = 0): Promise<Record<'structured' | 'binary', Sample[]>> {
  const { id } = eventOf();
  await api.accept('conformance', eventOf({ id }));
  await sink.received(({ event }) => event.attributes.id === id, 2);
  for (const mode of ['structured', 'binary'] as const)
    await sink.received(
      ({ path, event }) => path === `/${mode}` && event.attributes.type !== 'test.event',
      taken[mode] + count,
    );
  const take = (mode: 'structured' | 'binary'): Sample[] =>
    sink
      .on(`/${mode}`)
      .map(({ event }) => asSample(event, mode))
      .filter((sample) => sample.type !== 'test.event')
      .slice(taken[mode]);
  const result = { structured: take('structured'), binary: take('binary') };
  taken.structured += result.structured.length;
  taken.binary += result.binary.length;
  return result;
}
const taken = { structured: 0, binary: 0 };

const byId = (a: Sample, b: Sample): number => String(a.id).localeCompare(String(b.id));

describe('valid', () => {
  test.each(casesIn('valid-events.json'))('$id', async ({ event, sampleId }) => {
    expectStatus(await api.publish('conformance', event), 200);
    expect(await arrived(1)).toEqual({
      structured: [expected(sampleId!, 'structured')],
      binary: [expected(sampleId!, 'binary')],
    });
  });

  test.each(casesIn('valid-batches.json'))('$id', async ({ batch, sampleId }) => {
    expectStatus(await api.publishBatch('conformance', batch), 200);
    const { structured, binary } = await arrived(batches[sampleId!]!.length);
    const wanted = (mode: 'structured' | 'binary'): Sample[] =>
      batches[sampleId!]!.map((id) => expected(id, mode)).sort(byId);
    expect(structured.sort(byId)).toEqual(wanted('structured'));
    expect(binary.sort(byId)).toEqual(wanted('binary'));
  });
});

describe('invalid', () => {
  test.each(casesIn('invalid-events.json'))('$id', async ({ event }) => {
    const { status } = await api.publish('conformance', event);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(await arrived()).toEqual({ structured: [], binary: [] });
  });

  test.each(casesIn('invalid-batches.json'))('$id', async ({ batch }) => {
    const { status } = await api.publishBatch('conformance', batch);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
    expect(await arrived()).toEqual({ structured: [], binary: [] });
  });
});
