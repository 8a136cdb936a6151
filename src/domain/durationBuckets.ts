/** The upper bounds of the buckets in which durations are counted, in milliseconds; a last bucket holds what is longer. */
export const durationBounds = [10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000] as const
