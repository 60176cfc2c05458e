// Damages a frame in the ways that broken or hostile peers do.

import fc from 'fast-check';

export type Mutation =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'truncate'; readonly at: number }
  | { readonly kind: 'overwrite'; readonly at: number; readonly bytes: readonly number[] }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: readonly number[] }
  | { readonly kind: 'remove'; readonly at: number; readonly count: number };

// Lengths and counts that lie: the largest and smallest of each size, as fixed integers and as varints.
const lies = [
  [0xff],
  [0x7f],
  [0x80],
  [0xff, 0xff],
  [0x7f, 0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0x00, 0x00, 0x00],
  [0x00, 0x0f, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x80, 0x80, 0x80, 0x80, 0x00],
];

const position = fc.nat();

export const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: position, bit: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant('truncate' as const), at: position }),
  fc.record({ kind: fc.constant('overwrite' as const), at: position, bytes: fc.constantFrom(...lies) }),
  fc.record({ kind: fc.constant('insert' as const), at: position, bytes: fc.constantFrom(...lies) }),
  fc.record({ kind: fc.constant('remove' as const), at: position, count: fc.integer({ min: 1, max: 8 }) }),
);

/** A damaged copy; positions wrap around. */
export function mutate(frame: Buffer, mutations: readonly Mutation[]): Buffer {
  let bytes = Buffer.from(frame);
  for (const each of mutations) {
    if (bytes.length === 0) return bytes;
    const at = each.at % bytes.length;
    switch (each.kind) {
      case 'flip':
        bytes[at]! ^= 1 << each.bit;
        break;
      case 'truncate':
        bytes = bytes.subarray(0, at);
        break;
      case 'overwrite':
        bytes.set(each.bytes.slice(0, bytes.length - at), at);
        break;
      case 'insert':
        bytes = Buffer.concat([bytes.subarray(0, at), Buffer.from(each.bytes), bytes.subarray(at)]);
        break;
      case 'remove':
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + each.count)]);
        break;
    }
  }
  return bytes;
}
