// Counting: where a latency falls, what is counted of a response, and how many topics have figures of their own.

import { expect } from 'chai';
import fc from 'fast-check';
import { Histogram } from '../../cluster/telemetry/histogram.ts';
import { Meters } from '../../cluster/telemetry/meters.ts';
import { routes } from '../../src/actors/router/routes.ts';
import { fetch } from '../../src/protocol/apis/fetch.ts';
import { offsetFetch } from '../../src/protocol/apis/offset-fetch.ts';
import { produce } from '../../src/protocol/apis/produce.ts';

describe('a histogram', () => {
  it('puts each value into the first bucket whose bound it does not exceed', () => {
    const bounds = [0.1, 1, 10];
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...bounds), fc.double({ min: 0, max: 20, noNaN: true }))),
        (values) => {
          const histogram = new Histogram(bounds);
          for (const value of values) histogram.observe(value);
          const expected = [0, 0, 0, 0];
          for (const value of values) expected[bounds.filter((bound) => value > bound).length]!++;
          expect([...histogram.counts]).to.deep.equal(expected);
          expect(histogram.sum).to.be.closeTo(
            values.reduce((sum, value) => sum + value, 0),
            1e-6,
          );
        },
      ),
    );
  });
});

describe('the meters', () => {
  it('find the error codes of a response at every depth, each occurrence', () => {
    const meters = new Meters(10);
    const partition = (index: number, errorCode: number) => ({ index, errorCode, baseOffset: -1n });
    meters.requestServed(produce, 9, 1, 10, 20, {
      responses: [
        { name: 'a', partitionResponses: [partition(0, 6), partition(1, 0), partition(2, 6)] },
        { name: 'b', partitionResponses: [partition(0, 3)] },
      ],
    });
    meters.requestServed(fetch, 12, 1, 10, 20, { errorCode: 71, responses: [] });
    meters.requestServed(offsetFetch, 9, 1, 10, 20, {
      groups: [
        { groupId: 'g', errorCode: 16, topics: [{ name: 't', partitions: [{ partitionIndex: 0, errorCode: 3 }] }] },
      ],
    });
    const errors = (key: number) => Object.fromEntries(meters.apis[key]!.errors);
    expect(errors(produce.key)).to.deep.equal({ 6: 2, 3: 1 });
    expect(errors(fetch.key)).to.deep.equal({ 71: 1 });
    expect(errors(offsetFetch.key)).to.deep.equal({ 16: 1, 3: 1 });
  });

  it('take a response of every API that is served, with nothing in it', () => {
    const meters = new Meters(10);
    for (const { api } of routes) meters.requestServed(api, api.versions.max, 1, 1, 1, {});
    expect(meters.apis.filter((api) => api !== undefined)).to.have.length(routes.length);
    expect(meters.apis.flatMap((api) => [...(api?.errors ?? [])])).to.deep.equal([]);
  });

  it('count topics beyond the bound together, until a deleted one makes room', () => {
    const meters = new Meters(2);
    for (const topic of ['a', 'b', 'c', 'd', 'a']) meters.produced(topic, 1, 10);
    expect(
      Object.fromEntries([...meters.topics].map(([topic, meter]) => [topic, meter.producedRecords])),
    ).to.deep.equal({
      a: 2,
      b: 1,
      '': 2,
    });
    meters.forgetTopic('a');
    meters.fetched('c', 3, 30);
    expect([...meters.topics.keys()]).to.have.members(['b', '', 'c']);
  });
});
