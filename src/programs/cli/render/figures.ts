import type { Glyphs } from "./charts.ts"

/** `45%`. Never 0% of something, nor 100% of less than all. */
export const percent = (part: number, whole: number): string => {
  if (part === 0) return "0%"
  if (part === whole) return "100%"
  const rounded = Math.round((part / whole) * 100)
  return rounded < 1 ? "<1%" : `${Math.min(99, rounded)}%`
}

/** `▲ 12%`, `▼ 3%`, `▲ 12×` from tenfold on, `=`; `new` where there was nothing before. Without a count before, `–`. */
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
