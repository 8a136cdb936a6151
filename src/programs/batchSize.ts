/** Of the batches in which calls are stored, each in a transaction, and so each while hooks wait. */
export interface BatchLimits {
  /** Calls of the first batch, of which nobody knows yet how long it takes, and of the smallest. */
  readonly fewest: number
  /** Larger ones write fewer pages a call, and take more memory. */
  readonly most: number
  /** About how long a batch holds the write lock. */
  readonly millis: number
}

/**
 * A hook that comes at the beginning of a batch waits so long. Where batches are shorter, hooks wait longer: between two of
 * SQLite's looks at the lock one more has begun.
 */
const PATIENCE_MILLIS = 160

export const drainBatches: BatchLimits = { fewest: 200, most: 16_000, millis: PATIENCE_MILLIS }

export const importBatches: BatchLimits = { fewest: 1000, most: 16_000, millis: PATIENCE_MILLIS }

/** Of a store that nobody else sees yet. */
export const draftBatches: BatchLimits = { fewest: 1000, most: 12_000, millis: 100 }

/** How many calls the next batch takes, after one of `calls` that took `millis`: at most four times as many. */
export const nextBatchSize = (limits: BatchLimits, calls: number, millis: number): number =>
  Math.max(limits.fewest, Math.min(limits.most, 4 * calls, Math.trunc((calls * limits.millis) / Math.max(1, millis))))
