/** The smallest of the values, which rise, that at least so many of 100 do not exceed; null where there are none. */
const nearestRank = (percent: number, rising: Float64Array): number | null =>
  rising[Math.ceil((rising.length * percent) / 100) - 1] ?? null

/** The median and the 95th percentile of durations, both by nearest rank: one of them, in their unit. */
export const durationRanks = (
  durations: ReadonlyArray<number>,
): { readonly median_ms: number | null; readonly p95_ms: number | null } => {
  const rising = Float64Array.from(durations).sort()
  return { median_ms: nearestRank(50, rising), p95_ms: nearestRank(95, rising) }
}
