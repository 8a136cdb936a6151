import { type Timestamp, toEpochMillis } from "../../../domain/Timestamp.ts"

const steps = [
  { unit: "second", seconds: 1, below: 60 },
  { unit: "minute", seconds: 60, below: 3600 },
  { unit: "hour", seconds: 3600, below: 86_400 },
  { unit: "day", seconds: 86_400, below: Number.POSITIVE_INFINITY },
] as const

const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" })

/** `2 hr. ago`, or with `utc` the absolute time. */
export const formatTime = (timestamp: Timestamp, options: { readonly now: number; readonly utc: boolean }): string => {
  if (options.utc) return `${timestamp}Z`
  const seconds = Math.trunc((options.now - toEpochMillis(timestamp)) / 1000)
  if (Number.isNaN(seconds)) return timestamp
  if (Math.abs(seconds) < 1) return "now"
  const step = steps.find(({ below }) => Math.abs(seconds) < below) ?? steps[3]
  return relative.format(-Math.trunc(seconds / step.seconds), step.unit).replace(".", "")
}
