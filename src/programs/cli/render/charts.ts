import { type Timestamp, toEpochMillis } from "../../../domain/Timestamp.ts"

/** The signs that charts are drawn with. */
export interface Glyphs {
  /** Parts of one character of a bar, from the least to the whole. */
  readonly bar: ReadonlyArray<string>
  /** Heights of one step of a sparkline, from the least. */
  readonly spark: ReadonlyArray<string>
  readonly up: string
  readonly down: string
  readonly none: string
  readonly cut: string
  readonly times: string
  readonly arrow: string
}

export const unicode: Glyphs = {
  bar: ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"],
  spark: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
  up: "▲",
  down: "▼",
  none: "–",
  cut: "…",
  times: "×",
  arrow: "→",
}

/** For terminals that show only ASCII. */
export const ascii: Glyphs = {
  bar: ["#"],
  spark: [".", ":", "-", "=", "+", "*", "#", "@"],
  up: "+",
  down: "-",
  none: "-",
  cut: "..",
  times: "x",
  arrow: ">",
}

/** A bar for a share from 0 to 1, padded with spaces. Any share above 0 shows. */
export const bar = (part: number, width: number, { bar: levels }: Glyphs): string => {
  const filled = part > 0 ? Math.max(1, Math.round(Math.min(1, part) * width * levels.length)) : 0
  const rest = filled % levels.length
  return `${levels.at(-1)?.repeat(Math.floor(filled / levels.length))}${rest === 0 ? "" : levels[rest - 1]}`.padEnd(
    width,
  )
}

/** One character for each value, scaled to the highest. 0 is blank, and any value above 0 shows. */
export const sparkline = (values: ReadonlyArray<number>, { spark: levels }: Glyphs): string => {
  const highest = Math.max(...values)
  return values.map((value) => (value > 0 ? levels[Math.ceil((value / highest) * levels.length) - 1] : " ")).join("")
}

/** `45%`. Only nothing is 0%, and only all is 100%. */
export const percent = (part: number, whole: number): string => {
  if (part === 0) return "0%"
  if (part === whole) return "100%"
  const rounded = Math.round((part / whole) * 100)
  return rounded < 1 ? "<1%" : `${Math.min(99, rounded)}%`
}

/** `▲ 12%`, `▼ 3%`, `▲ 12×` from tenfold on, `=`; `new` if there was nothing before; `–` if the count before is unknown. */
export const change = (now: number, before: number | null, { up, down, none, times }: Glyphs): string => {
  if (before === null || (before === 0 && now === 0)) return none
  if (before === 0) return "new"
  if (now === before) return "="
  if (now >= before * 10) return `${up} ${Math.round(now / before)}${times}`
  if (now < before) return `${down} ${percent(before - now, before)}`
  const grown = Math.round(((now - before) / before) * 100)
  return `${up} ${grown < 1 ? "<1" : grown}%`
}

const units = [
  { unit: "ms", millis: 1, below: 1000 },
  { unit: "s", millis: 1000, below: 60 },
  { unit: "min", millis: 60_000, below: 60 },
  { unit: "h", millis: 3_600_000, below: 24 },
  { unit: "d", millis: 86_400_000, below: Number.POSITIVE_INFINITY },
] as const

/** `340 ms`, `2.1 s`, `3 min`: two digits that count, from a second on. */
export const duration = (millis: number | null, { none }: Glyphs): string => {
  if (millis === null) return none
  const rounded = units.map(({ unit, millis: size, below }) => {
    const value = millis / size
    return { unit, below, value: unit === "ms" || value >= 9.95 ? Math.round(value) : Math.round(value * 10) / 10 }
  })
  const fitting = rounded.find(({ value, below }) => value < below)
  return fitting === undefined ? none : `${fitting.value} ${fitting.unit}`
}

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
