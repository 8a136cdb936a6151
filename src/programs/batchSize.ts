/** Of the batches in which calls are stored, each in a transaction, and so each while hooks wait. */
export interface BatchLimits {
  /** Calls of the first batch, of which nobody knows yet how long it takes. */
  readonly first: number
  readonly fewest: number
  /** Larger ones write fewer pages a call, and take more memory. */
  readonly most: number
  /** About how long a batch holds the write lock. */
  readonly millis: number
}

/**
 * How long a batch keeps hooks waiting, and how long they find the store free after it. SQLite looks at a lock again after 1, 2,
 * 5, 10, 15, 20, 25, 25, 25, 50, 50 and then every 100 ms: with shorter batches and pauses hooks wait for less at first, and
 * miss more pauses. After a drain's batch there is no pause, but its files are to be removed.
 */
const BATCH_MILLIS = 160
export const PAUSE_MILLIS = 60

export const drainBatches: BatchLimits = { first: 1000, fewest: 200, most: 16_000, millis: BATCH_MILLIS }

export const importBatches: BatchLimits = { first: 4000, fewest: 1000, most: 16_000, millis: BATCH_MILLIS }

/** Of a store that nobody else sees yet. */
export const draftBatches: BatchLimits = { first: 4000, fewest: 1000, most: 12_000, millis: 100 }

/** How many calls the next batch takes, after one of `calls` that took `millis`: at most four times as many. */
export const nextBatchSize = (limits: BatchLimits, calls: number, millis: number): number =>
  Math.max(limits.fewest, Math.min(limits.most, 4 * calls, Math.trunc((calls * limits.millis) / Math.max(1, millis))))
