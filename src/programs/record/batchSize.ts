/** Calls of a first batch, of which nobody knows yet how long it takes. */
export const FIRST_BATCH = 8000

/** Of the batches in which calls are stored, each in a transaction, and so each while hooks wait. */
export interface BatchLimits {
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
const BATCH_MILLIS = 200
export const PAUSE_MILLIS = 60

export const storeBatches: BatchLimits = { fewest: 1000, most: 20_000, millis: BATCH_MILLIS }

/** Of a store that nobody else sees yet. */
export const draftBatches: BatchLimits = { fewest: 1000, most: 12_000, millis: 100 }

/** How many of the calls that are left a batch of about `size` takes: a rest that is not worth a batch of its own goes with it, also beyond the most. */
export const withRest = (size: number, left: number): number => (left <= 1.1 * size ? left : size)

/** How many calls the next batch takes, after one of `calls` that took `millis`: at most four times as many. */
export const nextBatchSize = (limits: BatchLimits, calls: number, millis: number): number =>
  Math.max(limits.fewest, Math.min(limits.most, 4 * calls, Math.trunc((calls * limits.millis) / Math.max(1, millis))))
