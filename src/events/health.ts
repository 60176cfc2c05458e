// How a part of the node fares, as /readyz shows it.

export interface Health {
  /** Whether the node can serve clients as far as this part is concerned. */
  readonly ready: boolean;
  /** One short line for people: what is missing, or how it stands. */
  readonly reason: string;
  /** Numbers and names behind the reason; plain data. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** Looks at one part. Called for each request of /readyz, so it must be cheap; one that takes too long counts as unready. */
export type HealthCheck = () => Health | Promise<Health>;

/** All parts of a node. */
export interface HealthReport {
  /** Each of them is. */
  readonly ready: boolean;
  readonly parts: Readonly<Record<string, Health>>;
}
