// What several runs of one thing gave.

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export function spread(numbers: readonly number[]): Spread {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  return { min: at(0), median: at(Math.floor((sorted.length - 1) / 2)), max: at(sorted.length - 1) };
}

/** `min / median / max`. */
export function showSpread({ min, median, max }: Spread): string {
  const figure = (value: number): string => (value >= 1000 ? String(Math.round(value)) : value.toFixed(2));
  return `${figure(min)} / ${figure(median)} / ${figure(max)}`;
}
