import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { AllProjects, type ProjectSelection } from "../../domain/Project.ts"
import * as Timestamp from "../../domain/Timestamp.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import { cutoff, type TimeWindow } from "../../domain/TimeWindow.ts"
import { ReportDimension } from "../../domain/Usage.ts"
import {
  BinUnit,
  beginOf,
  between,
  binCharacters,
  binStart,
  countNeighbours,
  type DurationCounts,
  durationRanks,
  inRuns,
  type KeyCount,
  mostFirst,
  ofWindow,
  type ReportRow,
  type ReportSpan,
  TrendPoint,
  TrendUnit,
  withGaps,
} from "../../domain/UsageReport.ts"
import { UsageReports } from "../../services/UsageReports.ts"
import {
  CallSelection,
  callsInWindow,
  isSelected,
  keyIn,
  levelFor,
  selectedCalls,
  selectedSeries,
  unfoldedCalls,
} from "./callsInWindow.ts"
import { failingTo } from "./failingTo.ts"
import { everyProject, middleOfBucket } from "./sums.ts"
import { makeNeedDetail, makePrunedOf, makeSelectionOf, makeUsageBy } from "./usageReads.ts"

/** Up to so many calls, every duration is read; beyond, only the buckets. */
const MOST_EXACT = 50_000

/** What comes before and after a tool is looked up in so many sessions: those that used it last. */
const NEIGHBOUR_SESSIONS = 25

const ByDimension = Schema.typeSchema(Schema.Struct({ dimension: ReportDimension, selection: CallSelection }))

export const makeUsageReports = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const usageBy = makeUsageBy(sql)
  const selectionOf = makeSelectionOf(sql)
  const prunedOf = makePrunedOf(sql)
  const needDetail = makeNeedDetail(sql)

  /** How many calls are in each bin that has any. */
  const bins = SqlSchema.findAll({
    Request: Schema.typeSchema(Schema.Struct({ dimension: ReportDimension, selection: CallSelection, unit: BinUnit })),
    Result: Schema.Struct({ key: Schema.NullOr(Schema.String), bin: Schema.String, usage_count: Schema.Number }),
    execute: ({ dimension, selection, unit }) => sql`
      SELECT ${keyIn(sql, dimension, "at")} AS key, substr(at, 1, ${binCharacters[unit]}) AS bin, sum(uses) AS usage_count
      FROM (${callsInWindow(
        sql,
        selection,
        levelFor(dimension, selection),
        unit === "day" && dimension !== "day" ? "day" : "hour",
      )})
      GROUP BY 1, 2 ORDER BY 2`,
  })

  const exactDurations = SqlSchema.findAll({
    Request: ByDimension,
    Result: Schema.Struct({
      key: Schema.NullOr(Schema.String),
      durations: Schema.parseJson(Schema.Array(Schema.Number)),
    }),
    execute: ({ dimension, selection }) => sql`
      SELECT ${keyIn(sql, dimension, "created_at")} AS key, json_group_array(duration_ms) AS durations
      FROM ${selectedCalls(sql, selection)} AND duration_ms IS NOT NULL GROUP BY 1`,
  })

  /** A list that SQLite made from the sums. It may hold thousands: to check each element would take longer than to read it. */
  const bucketedDurations = SqlSchema.findAll({
    Request: ByDimension,
    Result: Schema.Struct({ key: Schema.NullOr(Schema.String), durations: Schema.String }),
    execute: ({ dimension, selection }) => sql`
      SELECT ${keyIn(sql, dimension, "at")} AS key, '[' || group_concat(durations) || ']' AS durations
      FROM (${callsInWindow(sql, selection, levelFor(dimension, selection))}) WHERE durations <> '{}' GROUP BY 1`,
  })

  const countExact = (durations: ReadonlyArray<number>): DurationCounts => {
    const counts = new Map<number, number>()
    for (const duration of durations) counts.set(duration, (counts.get(duration) ?? 0) + 1)
    return counts
  }

  const countBuckets = (durations: string): DurationCounts => {
    const byBucket: Record<string, number> = {}
    for (const sums of JSON.parse(durations) as ReadonlyArray<Record<string, number>>) {
      for (const bucket in sums) byBucket[bucket] = (byBucket[bucket] ?? 0) + (sums[bucket] ?? 0)
    }
    return new Map(Object.entries(byBucket).map(([bucket, calls]) => [middleOfBucket(Number(bucket)), calls]))
  }

  const durationsBy = (request: typeof ByDimension.Type, isExact: boolean) =>
    isExact
      ? Effect.map(exactDurations(request), (rows) => new Map(rows.map((row) => [row.key, countExact(row.durations)])))
      : Effect.map(
          bucketedDurations(request),
          (rows) => new Map(rows.map((row) => [row.key, countBuckets(row.durations)])),
        )

  /**
   * How many sessions used each value of a dimension. A window that ends now holds each session whose last use it holds. If it ends
   * earlier, the calls of sessions that go on after it are read. Only calls know the days of a session.
   */
  const sessionsBy = SqlSchema.findAll({
    Request: ByDimension,
    Result: Schema.Struct({ key: Schema.NullOr(Schema.String), sessions: Schema.Number }),
    execute: ({ dimension, selection }) => {
      const { from, until, session } = selection
      const keyOfCall = keyIn(sql, dimension, "created_at")
      if (session !== undefined || dimension === "day") {
        return sql`
          SELECT ${keyOfCall} AS key, count(DISTINCT session_id) AS sessions
          FROM ${selectedCalls(sql, selection)} GROUP BY 1`
      }
      const level = levelFor(dimension, selection)
      const isOfSeries =
        level === "tool"
          ? sql`e.tool_name = s.tool_name`
          : sql`
              e.tool_name = s.tool_name AND coalesce(e.project_hash, '') = s.project_hash AND coalesce(e.agent, '') = s.agent
              AND coalesce(e.subagent, '') = s.subagent AND coalesce(e.target, '') = s.target
              AND coalesce(e.server_name, '') = s.server_name`
      const isUsedIn = sql`last_used >= ${from ?? ""} AND ${
        until === undefined
          ? sql`1`
          : sql`(last_used < ${until} OR EXISTS (
              SELECT 1 FROM tool_usage_events e WHERE e.session_id = u.session_id AND ${isOfSeries}
              AND e.created_at >= ${from ?? ""} AND e.created_at < ${until}))`
      }`
      const unfolded = sql`${unfoldedCalls(sql, selection)} AND session_id IS NOT NULL`
      // A session has one row of a tool over all series: to count rows takes a tenth of the time that distinct sessions take.
      return dimension === "tool" && level === "tool"
        ? sql`
            SELECT key, sum(sessions) AS sessions FROM (
              SELECT tool_name AS key,
                (SELECT count(*) FROM usage_by_session u WHERE series_id = s.id AND ${isUsedIn}) AS sessions
              FROM usage_series s WHERE ${selectedSeries(sql, selection, level)}
              UNION ALL
              SELECT tool_name, count(DISTINCT session_id) FROM ${unfolded} AND NOT EXISTS (
                SELECT 1 FROM usage_series s CROSS JOIN usage_by_session u
                  ON u.session_id = tool_usage_events.session_id AND series_id = s.id AND ${isUsedIn}
                WHERE s.tool_name = tool_usage_events.tool_name AND s.level = 1)
              GROUP BY 1)
            GROUP BY 1`
        : sql`
            SELECT key, count(DISTINCT session_id) AS sessions FROM (
              SELECT nullif(${keyIn(sql, dimension, "at")}, '') AS key, session_id
              FROM usage_series s CROSS JOIN usage_by_session u ON series_id = id AND ${isUsedIn}
              WHERE ${selectedSeries(sql, selection, level)}
              UNION ALL
              SELECT ${keyOfCall}, session_id FROM ${unfolded})
            GROUP BY 1`
    },
  })

  /** The sessions of all selected calls. */
  const allSessions = SqlSchema.single({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ sessions: Schema.Number }),
    execute: (selection) => {
      const { from, until, session } = selection
      if (session !== undefined) return sql`SELECT 1 AS sessions`
      const level = selection.project === AllProjects ? (selection.tool === undefined ? "all" : "tool") : "series"
      if (until !== undefined) {
        return sql`SELECT count(DISTINCT session_id) AS sessions FROM ${selectedCalls(sql, selection)}`
      }
      return sql`
        SELECT count(DISTINCT session_id) AS sessions FROM (
          SELECT session_id FROM usage_series CROSS JOIN usage_by_session ON series_id = id AND last_used >= ${from ?? ""}
          WHERE ${selectedSeries(sql, selection, level)}
          UNION ALL
          SELECT session_id FROM ${unfoldedCalls(sql, selection)} AND session_id IS NOT NULL)`
    },
  })

  const anyCall = SqlSchema.single({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ calls: Schema.Number }),
    execute: (selection) => sql`
      SELECT coalesce(sum(uses), 0) AS calls FROM (${callsInWindow(sql, selection, levelFor("day", selection))})`,
  })

  /** The first call that is recorded. A pruned day still has the last use of each series. */
  const firstCall = SqlSchema.single({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ first: Schema.NullOr(TimestampText) }),
    execute: (selection) => sql`
      SELECT min(first) AS first FROM (
        SELECT (SELECT min(created_at) FROM tool_usage_events WHERE project_hash IS hash) AS first
        FROM ${everyProject(sql)}
        WHERE ${selection.project === AllProjects ? sql`1` : sql`hash IS ${selection.project}`}
        UNION ALL
        SELECT (SELECT last_used FROM usage_by_day WHERE series_id = id AND day < pruned_before ORDER BY day LIMIT 1)
        FROM usage_state CROSS JOIN usage_series
        WHERE pruned_before IS NOT NULL AND ${selectedSeries(sql, selection, levelFor("day", selection))})`,
  })

  const firstOf = (project: ProjectSelection) =>
    Effect.map(firstCall({ project }), ({ first }) => Option.fromNullable(first))

  /** The calls before a window, if all of them were recorded: there are some, and some from before that time. */
  const previousOf = (selection: CallSelection, previousFrom: Timestamp.Timestamp) =>
    Effect.gen(function* () {
      const previous = { ...selection, from: previousFrom, until: selection.from }
      const first = yield* firstOf(AllProjects)
      const isRecorded =
        Option.isNone(yield* prunedOf({ project: selection.project, from: previousFrom })) &&
        Option.exists(first, (at) => at <= previousFrom) &&
        (yield* anyCall({ project: AllProjects, from: previousFrom, until: selection.from })).calls > 0
      return isRecorded ? Option.some(previous) : Option.none()
    })

  /** The rows of a dimension, and the row of all calls, which has no key. */
  const readRows = (
    dimension: ReportDimension,
    selection: CallSelection,
    { unit }: Pick<ReportSpan, "unit">,
    previous: Option.Option<CallSelection>,
  ) =>
    Effect.gen(function* () {
      const request = { dimension, selection }
      const rows = yield* usageBy(request)
      const before = Option.isSome(previous) ? yield* usageBy({ dimension, selection: previous.value }) : undefined
      const cells = yield* bins({ ...request, unit: dimension === "day" && unit === "day" ? "hour" : unit })
      const calls = rows.reduce((sum, { usage_count }) => sum + usage_count, 0)
      const isExact = selection.session !== undefined || calls <= MOST_EXACT
      const durations = yield* durationsBy(request, isExact)
      const sessions = new Map((yield* sessionsBy(request)).map((row) => [row.key, row.sessions]))
      const trendOf = (of: typeof cells) => {
        const counts = new Map<string, number>()
        for (const { bin, usage_count } of of) counts.set(bin, (counts.get(bin) ?? 0) + usage_count)
        return [...counts].map(([bin, usage_count]) => ({ from: binStart(bin), usage_count }))
      }
      const cellsByKey = new Map<string | null, Array<(typeof cells)[number]>>()
      for (const cell of cells) cellsByKey.set(cell.key, [...(cellsByKey.get(cell.key) ?? []), cell])
      const [newest] = rows.map(({ last_used }) => last_used).toSorted((a, b) => (a < b ? 1 : -1))
      if (newest === undefined) return Option.none()
      const sum = (of: (row: (typeof rows)[number]) => number) => rows.reduce((total, row) => total + of(row), 0)
      return Option.some({
        total: {
          usage_count: calls,
          failures: sum(({ failures }) => failures),
          interruptions: sum(({ interruptions }) => interruptions),
          input_bytes: sum(({ input_bytes }) => input_bytes),
          output_bytes: sum(({ output_bytes }) => output_bytes),
          last_used: newest,
          previous_count:
            before === undefined ? null : before.reduce((total, { usage_count }) => total + usage_count, 0),
          trend: trendOf(cells),
          ...(yield* allSessions(selection)),
        },
        rows: rows
          .flatMap(({ key, ...row }) => (key === null ? [] : [{ key, ...row }]))
          .map(
            (row): ReportRow => ({
              ...row,
              share: row.usage_count / calls,
              sessions: sessions.get(row.key) ?? 0,
              // A day of the window has no counterpart in the window before.
              previous_count:
                before === undefined || dimension === "day"
                  ? null
                  : (before.find(({ key }) => key === row.key)?.usage_count ?? 0),
              trend: trendOf(cellsByKey.get(row.key) ?? []),
              ...durationRanks(durations.get(row.key) ?? new Map()),
              is_approximate: !isExact,
            }),
          )
          .sort(mostFirst),
      })
    })

  const readReport = (dimension: ReportDimension, project: ProjectSelection, window: TimeWindow) =>
    Effect.gen(function* () {
      const { previousFrom, ...span } = yield* ofWindow(window)
      const selection = yield* selectionOf(project, window)
      yield* needDetail(selection)
      const read = yield* readRows(dimension, selection, span, yield* previousOf(selection, previousFrom))
      return Option.map(read, (report) => ({ span, ...report }))
    })

  const countsBy = (dimension: "project" | "subagent" | "target", selection: CallSelection) =>
    Effect.map(usageBy({ dimension, selection }), (rows) =>
      rows.flatMap(({ key, usage_count }): ReadonlyArray<KeyCount> => (key === null ? [] : [{ key, usage_count }])),
    )

  const days = SqlSchema.single({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ days: Schema.Number }),
    execute: (selection) => sql`
      SELECT count(DISTINCT substr(at, 1, 10)) AS days
      FROM (${callsInWindow(sql, selection, levelFor("day", selection))})`,
  })

  /** The tools of the sessions that used a tool last, in the order of each session; null for the selected calls. */
  const ordersAround = SqlSchema.findAll({
    Request: Schema.typeSchema(CallSelection),
    Result: Schema.Struct({ names: Schema.parseJson(Schema.Array(Schema.NullOr(Schema.String))) }),
    execute: (selection) => sql`
      WITH used AS (
        SELECT session_id, max(last_used) AS last_used FROM (
          SELECT session_id, last_used FROM usage_series CROSS JOIN usage_by_session ON series_id = id
            AND last_used >= ${selection.from ?? ""}
          WHERE ${selectedSeries(sql, selection, levelFor("tool", selection))}
          UNION ALL
          SELECT session_id, created_at FROM ${unfoldedCalls(sql, selection)} AND session_id IS NOT NULL)
        GROUP BY session_id ORDER BY 2 DESC LIMIT ${NEIGHBOUR_SESSIONS})
      SELECT json_group_array(iif(${isSelected(sql, selection)}, NULL, tool_name) ORDER BY created_at, id) AS names
      FROM used CROSS JOIN tool_usage_events event ON event.session_id = used.session_id GROUP BY used.session_id`,
  })

  const readToolReport = (tool: string, project: ProjectSelection, window: TimeWindow) =>
    Effect.gen(function* () {
      const { previousFrom, ...span } = yield* ofWindow(window)
      const selection = yield* selectionOf(project, window, tool)
      yield* needDetail(selection)
      const previous = yield* previousOf(selection, previousFrom)
      const read = yield* readRows("tool", selection, span, previous)
      const row = Option.flatMap(read, ({ rows }) => Option.fromNullable(rows[0]))
      if (Option.isNone(row)) return Option.none()
      const { tool: _tool, ...all } = selection
      return Option.some({
        span,
        row: { ...row.value, share: row.value.usage_count / (yield* anyCall(all)).calls },
        days: (yield* days(selection)).days,
        ...countNeighbours(
          tool,
          (yield* ordersAround(selection)).map(({ names }) => names),
        ),
        projects: yield* countsBy("project", selection),
        subagents: yield* countsBy("subagent", selection),
        targets: yield* countsBy("target", selection),
      })
    })

  const sessionSpan = SqlSchema.single({
    Request: Schema.String,
    Result: Schema.Struct({
      began: Schema.NullOr(TimestampText),
      ended: Schema.NullOr(TimestampText),
      pruned_before: Schema.NullOr(Schema.String),
    }),
    execute: (session) => sql`
      SELECT min(created_at) AS began, max(created_at) AS ended, (
        SELECT pruned_before FROM usage_state CROSS JOIN usage_by_session
          ON session_id = ${session} AND series_id = 1 AND first_used < pruned_before) AS pruned_before
      FROM tool_usage_events WHERE session_id = ${session}`,
  })

  const sessionOrder = SqlSchema.findAll({
    Request: Schema.String,
    Result: Schema.Struct({ tool_name: Schema.String }),
    execute: (session) => sql`
      SELECT tool_name FROM tool_usage_events WHERE session_id = ${session} ORDER BY created_at, id`,
  })

  const readSessionReport = (session: string) =>
    Effect.gen(function* () {
      const { began, ended, pruned_before } = yield* sessionSpan(session)
      if (began === null || ended === null) return Option.none()
      const span = between(began, ended)
      const selection = { project: AllProjects, session } as const
      const read = yield* readRows("tool", selection, span, Option.none())
      if (Option.isNone(read)) return Option.none()
      return Option.some({
        sessionId: session,
        prunedBefore: Option.fromNullable(pruned_before),
        span,
        ...read.value,
        projects: yield* countsBy("project", selection),
        subagents: yield* countsBy("subagent", selection),
        order: inRuns((yield* sessionOrder(session)).map((call) => call.tool_name)),
      })
    })

  const beginOfUnit = {
    day: sql`substr(at, 1, 10)`,
    week: sql`date(at, '-6 days', 'weekday 1')`,
    month: sql`substr(at, 1, 7) || '-01'`,
  }

  const trend = SqlSchema.findAll({
    Request: Schema.typeSchema(Schema.Struct({ selection: CallSelection, unit: TrendUnit })),
    Result: TrendPoint,
    execute: ({ selection, unit }) => sql`
      SELECT ${beginOfUnit[unit]} AS "from", sum(uses) AS usage_count, sum(failures) AS failures,
        sum(interruptions) AS interruptions
      FROM (${callsInWindow(sql, selection, levelFor("day", selection))}) GROUP BY 1 ORDER BY 1`,
  })

  return UsageReports.of({
    getReport: Effect.fn("UsageReports.getReport")(
      (dimension, project, window) => sql.withTransaction(readReport(dimension, project, window)),
      failingTo("report the usage"),
    ),

    getToolReport: Effect.fn("UsageReports.getToolReport")(
      (tool, project, window) => sql.withTransaction(readToolReport(tool, project, window)),
      failingTo("report the usage of a tool"),
    ),

    getSessionReport: Effect.fn("UsageReports.getSessionReport")(
      (session) => sql.withTransaction(readSessionReport(session)),
      failingTo("report the usage of a session"),
    ),

    getTrend: Effect.fn("UsageReports.getTrend")(function* ({ tool, project, window, unit }) {
      const first = beginOf(unit, yield* cutoff(window))
      const selection = { ...(yield* selectionOf(project, window, Option.getOrUndefined(tool))), from: binStart(first) }
      const points = yield* trend({ selection, unit })
      return points.length === 0 ? [] : withGaps(unit, points, first, beginOf(unit, yield* Timestamp.now))
    }, failingTo("report the trend")),

    getObservedFrom: Effect.fn("UsageReports.getObservedFrom")(firstOf, failingTo("find the first call")),
  })
})

/** `UsageReports` over an open database. */
export const UsageReportsSql: Layer.Layer<UsageReports, never, SqlClient.SqlClient> = Layer.effect(
  UsageReports,
  makeUsageReports,
)
