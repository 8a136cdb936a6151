import { durationBounds } from "../../domain/durationBuckets.ts"
import {
  beforeCut,
  bucketColumns,
  byDay,
  byHour,
  cutSums,
  DAY_CHARACTERS,
  HOUR_CHARACTERS,
  type KeyColumn,
  type Period,
  periods,
  seriesColumns,
  sumColumns,
} from "./rollupTables.ts"

/** What a call has in the columns of a key, where `s` is its series: `2026-11-26` and `2026-11-26 13`. */
const keyOf = (call: string): Record<KeyColumn, string> => ({
  series_id: "s.id",
  day: `substr(${call}.created_at, 1, ${DAY_CHARACTERS})`,
  hour: `substr(${call}.created_at, 1, ${HOUR_CHARACTERS})`,
})

const keyTexts = (key: ReadonlyArray<KeyColumn>, call: string) => {
  const columns = keyOf(call)
  return key.map((column) => columns[column]).join(", ")
}

const inBucket = (place: number, call: string): string => {
  const above = durationBounds[place - 1]
  const below = durationBounds[place]
  return [
    ...(above === undefined ? [] : [`${call}.duration_ms >= ${above}`]),
    ...(below === undefined ? [] : [`${call}.duration_ms < ${below}`]),
  ].join(" AND ")
}

const isBefore = (cut: string, { characters }: Period, call: string) =>
  `substr(${call}.created_at, ${characters + 2}, 2) < '${cut}'`

/** What each of the sums of a period counts, but for that of durations. `call` is the alias of a call's row. */
const conditions = (period: Period, call: string): Record<string, string> => {
  const counted = {
    uses: "true",
    failures: `${call}.success = 0 AND ${call}.failure_kind IS NOT 'interrupted'`,
    interruptions: `${call}.success = 0 AND ${call}.failure_kind IS 'interrupted'`,
  }
  return {
    ...counted,
    ...Object.fromEntries(bucketColumns.map((column, place) => [column, inBucket(place, call)])),
    ...Object.fromEntries(
      period.cuts.flatMap((cut) =>
        cutSums.map((sum) => [beforeCut(sum, cut), `${counted[sum]} AND ${isBefore(cut, period, call)}`]),
      ),
    ),
  }
}

/** What one call adds to each of the sums. */
const shares = (period: Period, call: string): ReadonlyArray<string> => {
  const counted = conditions(period, call)
  return period.sums.map((column) => `coalesce(${counted[column] ?? `${call}.duration_ms`}, 0)`)
}

/** What many calls add to each of the sums, which SQLite has sooner than the sums of their shares. */
export const sharesOfAll = (period: Period, call: string): ReadonlyArray<string> => {
  const counted = conditions(period, call)
  return period.sums.map((column) =>
    column in counted ? `count(*) FILTER (WHERE ${counted[column]})` : `coalesce(sum(${call}.duration_ms), 0)`,
  )
}

export const isOfSeries = (call: string) =>
  seriesColumns.map((column) => `s.${column} IS ${call}.${column}`).join(" AND ")

const addUp = ({ sums }: Period) => sums.map((column) => `${column} = ${column} + excluded.${column}`).join(", ")

const upsert = (period: Period, source: string) => `
  INSERT INTO ${period.table} (${[...period.key, "last_used", ...period.sums].join(", ")})
  ${source}
  ON CONFLICT (${period.key.join(", ")}) DO UPDATE SET last_used = max(last_used, excluded.last_used), ${addUp(period)};`

/**
 * The ids of events that the sums hold. Between `filled_to` and `fill_until` are events that are older than the sums and still
 * to be added; after `rolled_to` are the newest, which are added some at a time: to change a page of each table of sums
 * for each event would make recording it half as slow again.
 */
export const isAdded = (id: string): string => `(${id} <= filled_to OR ${id} > fill_until AND ${id} <= rolled_to)`

/** So many events at most are not added yet. */
const MOST_RECENT = 128

const EVENTS = "tool_usage_events"

const addSeries = (table: string, range = "true") => `
  INSERT INTO usage_series (${seriesColumns.join(", ")})
  SELECT DISTINCT ${seriesColumns.map((column) => `e.${column}`).join(", ")} FROM ${table} e
  WHERE ${range} AND NOT EXISTS (SELECT 1 FROM usage_series s WHERE ${isOfSeries("e")})`

/** The sums of the events of a range, by series and period. */
const foldEvents = (period: Period, range: string) => `
  SELECT ${keyTexts(period.key, "e")}, max(e.created_at), ${sharesOfAll(period, "e").join(", ")}
  FROM ${EVENTS} e CROSS JOIN usage_series s ON ${isOfSeries("e")}
  WHERE ${range} GROUP BY ${period.key.map((_, place) => place + 1).join(", ")}`

const beforeNew = "e.id > (SELECT rolled_to FROM rollup_state) AND e.id < new.id"

const addRecent = `
  ${addSeries(EVENTS, beforeNew)};
  ${periods.map((period) => upsert(period, foldEvents(period, beforeNew))).join("")}
  UPDATE rollup_state SET rolled_to = new.id - 1;`

const addNew = `
  INSERT INTO usage_series (${seriesColumns.join(", ")})
  SELECT ${seriesColumns.map((column) => `new.${column}`).join(", ")}
  WHERE NOT EXISTS (SELECT 1 FROM usage_series s WHERE ${isOfSeries("new")});
  ${periods
    .map((period) =>
      upsert(
        period,
        `SELECT ${keyTexts(period.key, "new")}, new.created_at, ${shares(period, "new").join(", ")}
         FROM usage_series s WHERE ${isOfSeries("new")}`,
      ),
    )
    .join("")}`

const takeAway = (period: Period) => {
  const ofOld = shares(period, "old")
  return period.sums.map((column, place) => `${column} = ${column} - ${ofOld[place]}`).join(", ")
}

const takeOldAway = `
${periods
  .map((period) => {
    const { table, key, characters } = period
    const row = `(${key.join(", ")}) = (SELECT ${keyTexts(key, "old")} FROM usage_series s WHERE ${isOfSeries("old")})`
    return `
      DELETE FROM ${table} WHERE ${row} AND uses = 1;
      UPDATE ${table} SET ${takeAway(period)}, last_used = CASE WHEN last_used > old.created_at THEN last_used ELSE (
        SELECT coalesce(max(s.created_at), '') FROM tool_usage_events s, rollup_state
        WHERE s.created_at >= substr(old.created_at, 1, ${characters}) AND s.created_at <= old.created_at AND ${isOfSeries("old")}
          AND ${isAdded("s.id")}) END
      WHERE ${row};`
  })
  .join("")}`

const isOfAdded = (call: "new" | "old") => `(SELECT ${isAdded(`${call}.id`)} FROM rollup_state)`

export type Written = "INSERT" | "DELETE" | "UPDATE"

/**
 * The migration that makes the triggers as they are. Their names end with it: an older program that still runs, and takes
 * triggers away for a while, finds none of its own, and fails before it puts them back.
 */
const MADE_BY = 27

const trigger = (name: string, time: "BEFORE" | "AFTER", on: Written, rest: string) => ({
  on,
  create: `CREATE TRIGGER ${name}_${MADE_BY} ${time} ${on} ${rest}`,
  drop: `DROP TRIGGER ${name}_${MADE_BY}`,
})

/** The triggers of the events: they keep the sums in the same statement as the event. */
export const triggers = [
  // A pruned call that comes again, as from an old transcript, is one of the sums still, and its own row is not to come back.
  trigger(
    "keep_pruned",
    "BEFORE",
    "INSERT",
    `ON tool_usage_events
     WHEN EXISTS (SELECT 1 FROM pruned_calls WHERE tool_use_id = new.tool_use_id AND agent = new.agent)
       OR new.created_at < (SELECT forgotten_before FROM rollup_state)
     BEGIN SELECT RAISE(IGNORE); END`,
  ),
  trigger(
    "sums_add_recent",
    "AFTER",
    "INSERT",
    `ON tool_usage_events WHEN new.id > (SELECT rolled_to + ${MOST_RECENT} FROM rollup_state) BEGIN ${addRecent} END`,
  ),
  // Ids rise, unless they are given by hand.
  trigger("sums_add_late", "AFTER", "INSERT", `ON tool_usage_events WHEN ${isOfAdded("new")} BEGIN ${addNew} END`),
  trigger(
    "sums_take_away",
    "AFTER",
    "DELETE",
    `ON tool_usage_events WHEN ${isOfAdded("old")} BEGIN ${takeOldAway} END`,
  ),
  trigger(
    "sums_change",
    "AFTER",
    "UPDATE",
    `OF ${[...seriesColumns, "success", "failure_kind", "duration_ms", "created_at"].join(", ")}
     ON tool_usage_events WHEN ${isOfAdded("old")} BEGIN ${takeOldAway} ${addNew} END`,
  ),
]

const OF_RANGE = "e.id > ? AND e.id <= ?"

interface Addition {
  readonly statement: string
  /** Whether it has the ids as parameters. */
  readonly isOfRange: boolean
}

/** The columns of the sums by hour behind their keys. */
const columnsOfHours = ["last_used", ...byHour.sums]

const sumsOf = (columns: ReadonlyArray<string>) =>
  columns.map((column) => (column === "last_used" ? "max(last_used)" : `sum(${column})`)).join(", ")

/** The sums by day of one row of sums by hour, where `hourOfDay` is as in `13`. */
const daySumsOfHour = (hourOfDay: string) => [
  ...sumColumns,
  ...byDay.cuts.flatMap((cut) => cutSums.map((sum) => `iif(${hourOfDay} < '${cut}', ${sum}, 0)`)),
]

const HOUR_OF_DAY = `substr(hour, ${DAY_CHARACTERS + 2})`

const columnsOfNew = [...byHour.key, ...columnsOfHours]

/** The events are gone through once: the sums by hour are made aside, and those by day from these. */
const addEvents = (ofRange: string): ReadonlyArray<Addition> => [
  { statement: addSeries(EVENTS, ofRange), isOfRange: true },
  {
    statement: `
      CREATE TEMP TABLE IF NOT EXISTS new_sums (${columnsOfNew.join(", ")}, hour_of_day AS (${HOUR_OF_DAY}) STORED)`,
    isOfRange: false,
  },
  { statement: `INSERT INTO new_sums ${foldEvents(byHour, ofRange)}`, isOfRange: true },
  { statement: upsert(byHour, `SELECT ${columnsOfNew.join(", ")} FROM new_sums WHERE true`), isOfRange: false },
  {
    // To group them first takes longer: a batch has few hours of a series in one day.
    statement: upsert(
      byDay,
      `SELECT series_id, day, last_used, ${daySumsOfHour("hour_of_day").join(", ")} FROM new_sums WHERE true`,
    ),
    isOfRange: false,
  },
  { statement: "DELETE FROM new_sums", isOfRange: false },
]

/** Adds the events with ids from the first parameter (exclusive) to the second (inclusive), which the sums never held. */
export const addNewEvents = addEvents(OF_RANGE)

/** The same where all sums are made anew, but for those of pruned days: they hold what is not taken away yet still. */
export const addEventsAgain = addEvents(
  `${OF_RANGE} AND e.created_at >= (SELECT coalesce(pruned_before, '') FROM rollup_state)`,
)

/** The columns of a table of what some calls of a series in one hour add up to. A series and an hour may stand there often. */
export const hourSumColumns = [...seriesColumns, "hour", ...columnsOfHours]

/** Makes all sums, of which there are none, from such a table. */
export const makeSums = (table: string): ReadonlyArray<string> => [
  addSeries(table),
  `INSERT INTO ${byHour.table} (${[...byHour.key, ...columnsOfHours].join(", ")})
   SELECT substr(hour, 1, ${DAY_CHARACTERS}) AS day, s.id, hour, ${sumsOf(columnsOfHours)}
   FROM ${table} e CROSS JOIN usage_series s ON ${isOfSeries("e")} GROUP BY day, s.id, hour`,
  `INSERT INTO ${byDay.table} (${[...byDay.key, "last_used", ...byDay.sums].join(", ")})
   SELECT series_id, day, ${sumsOf(["last_used", ...daySumsOfHour(HOUR_OF_DAY)])}
   FROM ${byHour.table} GROUP BY series_id, day`,
]
