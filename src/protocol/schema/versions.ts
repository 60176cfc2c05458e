// Version ranges as message definitions write them.

/** `'3'`, `'0-7'` or `'4+'`. */
export type VersionSpec = `${number}` | `${number}-${number}` | `${number}+`;

export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

const noVersion: VersionRange = { min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY };

/** The versions a spec names. `max` is Infinity for `'4+'`; `'none'` is the empty range, and so is no spec at all. */
export function versionRange(spec: VersionSpec | 'none' | undefined): VersionRange {
  if (spec === undefined || spec === 'none') return noVersion;
  const found = /^(\d+)(\+|-(\d+))?$/.exec(spec);
  if (found === null) throw new TypeError(`not a version spec: ${spec}`);
  const min = Number(found[1]);
  if (found[2] === '+') return { min, max: Number.POSITIVE_INFINITY };
  return { min, max: found[3] === undefined ? min : Number(found[3]) };
}

export function inRange(range: VersionRange, version: number): boolean {
  return version >= range.min && version <= range.max;
}
