import { durationBounds } from "../../domain/durationBuckets.ts"
import { HOUR_CUT } from "../../domain/hourSums.ts"

/** What sets one series of calls apart from another; what is summed is summed within a series. */
export const seriesColumns = ["tool_name", "project_hash", "agent", "subagent", "target", "server_name"] as const
export type SeriesColumn = (typeof seriesColumns)[number]

export const bucketColumns = [...durationBounds.keys(), durationBounds.length].map((place) => `durations_${place}`)

export const sumColumns = ["uses", "failures", "interruptions", "duration_ms", ...bucketColumns]

/** The sums of which a row also knows how much of them there was before each of its cuts. */
export const cutSums = ["uses", "failures"] as const
export type CutSum = (typeof cutSums)[number]

export const beforeCut = (sum: CutSum, cut: string): string => `${sum}_before_${cut}`

const cutColumns = (cuts: ReadonlyArray<string>) => cuts.flatMap((cut) => cutSums.map((sum) => beforeCut(sum, cut)))

/** A table of sums by period. */
export interface Period {
  readonly table: "usage_by_hour" | "usage_by_day"
  /** What names the period: the first characters of `created_at`. */
  readonly name: KeyColumn
  readonly characters: number
  /** What sets the rows apart, in the order in which they lie. */
  readonly key: ReadonlyArray<KeyColumn>
  /**
   * Where the period is cut, as `created_at` goes on behind its name: of a period in which a window begins, no more is read by
   * itself than what lies before the next cut.
   */
  readonly cuts: ReadonlyArray<string>
  readonly sums: ReadonlyArray<string>
}

export type KeyColumn = "series_id" | "day" | "hour"

export const HOUR_CHARACTERS = 13
export const DAY_CHARACTERS = 10

const hourCuts = [HOUR_CUT]
const dayCuts = ["06", "12", "18"]

/**
 * The hours of a day lie together, so that calls of the same time change few pages; a series has so few days that its own lie
 * together.
 */
export const byHour: Period = {
  table: "usage_by_hour",
  name: "hour",
  characters: HOUR_CHARACTERS,
  key: ["day", "series_id", "hour"],
  cuts: hourCuts,
  sums: [...sumColumns, ...cutColumns(hourCuts)],
}
export const byDay: Period = {
  table: "usage_by_day",
  name: "day",
  characters: DAY_CHARACTERS,
  key: ["series_id", "day"],
  cuts: dayCuts,
  sums: [...sumColumns, ...cutColumns(dayCuts)],
}
export const periods = [byHour, byDay]

/** Makes a table of sums, empty. */
export const createSums = ({ table, key, sums }: Pick<Period, "table" | "key" | "sums">): string => `
  CREATE TABLE ${table} (
    ${key.map((column) => `${column} ${column === "series_id" ? "INTEGER" : "TEXT"} NOT NULL`).join(", ")},
    last_used TEXT NOT NULL, ${sums.map((column) => `${column} INTEGER NOT NULL`).join(", ")},
    PRIMARY KEY (${key.join(", ")})) WITHOUT ROWID`
