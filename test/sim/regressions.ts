// Seeds that have failed, each with what was wrong: they run in every test from then on. What a seed means changes when
// the scenarios are drawn otherwise, so each of these failures has a small test of its own beside the code that it is
// about; the seeds stay for the company that they keep.

export interface Regression {
  readonly seed: number;
  /** One unless given. */
  readonly nodes?: number;
  readonly was: string;
}

export const regressions: readonly Regression[] = [
  {
    seed: 3,
    was: 'consumers whose min.bytes did not fit into max.bytes waited at every fetch and fell behind for ever',
  },
  { seed: 14, was: 'the same, with a consumer that wanted 2,000 bytes and took one batch at a time' },
  {
    seed: 34,
    was: 'batches that waited for their shard to open overtook one another and were refused as out of order',
  },
  {
    seed: 48,
    was: "a full disk refused a new producer's first batch and took its second, so the first was out of order for ever",
  },
  { seed: 78, was: 'the same as 48, found again with a paused node' },
  {
    seed: 36,
    nodes: 3,
    was: 'a node did not hear of one that joined while it was starting, and took a shard that it did not own',
  },
  {
    seed: 37,
    nodes: 3,
    was: 'the owner of a shard taken so found out only by an append, and refused or misled its readers meanwhile',
  },
  {
    seed: 84,
    nodes: 3,
    was: "a producer's batches that waited for their shard's next owner overtook each other, as their refusals came back",
  },
  {
    seed: 118,
    nodes: 3,
    was: 'the same as 84: a batch met the next owner before those that the former one had refused',
  },
  {
    seed: 590,
    nodes: 3,
    was: 'a node that was voted out and joined again kept the shards open that others had taken meanwhile, and read from them',
  },
];
