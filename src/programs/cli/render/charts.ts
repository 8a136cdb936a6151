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

/** For what shows nothing else. */
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

/** A bar for a part of 1, filled up with spaces; whatever is more than nothing shows. */
export const bar = (part: number, width: number, { bar: levels }: Glyphs): string => {
  const filled = part > 0 ? Math.max(1, Math.round(Math.min(1, part) * width * levels.length)) : 0
  const rest = filled % levels.length
  return `${levels.at(-1)?.repeat(Math.floor(filled / levels.length))}${rest === 0 ? "" : levels[rest - 1]}`.padEnd(
    width,
  )
}

/** One character a value, the highest as high as can be; nothing is blank, and whatever is more shows. */
export const sparkline = (values: ReadonlyArray<number>, { spark: levels }: Glyphs): string => {
  const highest = Math.max(...values)
  return values.map((value) => (value > 0 ? levels[Math.ceil((value / highest) * levels.length) - 1] : " ")).join("")
}
