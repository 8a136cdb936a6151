import * as SqlClient from "@effect/sql/SqlClient"
import { SqlError } from "@effect/sql/SqlError"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { MADE_ID_PREFIX } from "../../domain/CallId.ts"
import { eventColumns } from "../../domain/eventColumns.ts"
import { AllProjects } from "../../domain/Project.ts"
import {
  decodeProject,
  decodeTool,
  fromEventRow,
  ImportedCount,
  ROW_ID_PREFIX,
  TRANSFER_VERSION,
  type TransferRecord,
  TransferredProject,
  TransferredTool,
} from "../../domain/StoreTransfer.ts"
import { fromEpochMillis, now, type Timestamp, toEpochMillis } from "../../domain/Timestamp.ts"
import { TimestampText } from "../../domain/TimestampText.ts"
import type { ToolUse } from "../../domain/ToolUse.ts"
import { StoreTransfer } from "../../services/StoreTransfer.ts"
import { CLOCK_DIFFERENCE_MILLIS } from "./eventBatches.ts"
import { failingTo } from "./failingTo.ts"

const ROWS_AT_A_TIME = 1000

/** The row as a record, or why it is not one. */
const checked = <A>(row: string, read: Either.Either<A, string>, toRecord: (value: A) => TransferRecord) =>
  Either.mapBoth(read, { onLeft: (reason) => `${row}: ${reason}`, onRight: toRecord })

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const projectColumns = sql.literal(Object.keys(TransferredProject.fields).join(", "))
  const toolColumns = sql.literal(Object.keys(TransferredTool.fields).join(", "))

  const isUnnamed = (event: string) => sql.literal(`(${event}.agent IS NULL OR ${event}.tool_use_id IS NULL)`)

  /** The columns of an event `e`. Equal rows without an id are numbered. */
  const callOfEvent = sql`
    ${sql.literal(eventColumns.map((column) => (column === "success" ? "e.success <> 0 AS success" : `e.${column}`)).join(", "))},
    CASE WHEN ${isUnnamed("e")} THEN (
      SELECT count(*) FROM tool_usage_events other
      WHERE other.tool_name = e.tool_name AND other.created_at = e.created_at AND other.session_id IS e.session_id
        AND other.project_hash IS e.project_hash AND ${isUnnamed("other")} AND other.id < e.id) END AS place`

  const prunedBefore = SqlSchema.single({
    Request: Schema.Void,
    Result: Schema.Struct({ day: Schema.NullOr(Schema.String) }),
    execute: () => sql`SELECT pruned_before AS day FROM usage_state`,
  })

  const lastOwnCalls = SqlSchema.findAll({
    Request: Schema.Array(Schema.NullOr(Schema.String)),
    Result: Schema.Struct({ agent: Schema.String, session_id: Schema.String, last: TimestampText }),
    execute: (sessions) => sql`
      SELECT agent, session_id, max(created_at) AS last FROM tool_usage_events
      WHERE session_id IN (SELECT value FROM json_each(${JSON.stringify(sessions)})) AND agent IS NOT NULL
        AND substr(tool_use_id, 1, ${MADE_ID_PREFIX.length}) <> ${MADE_ID_PREFIX}
      GROUP BY agent, session_id`,
  })

  /** The ids that an export gives to rows without one, for rows that may be these calls. */
  const idsOfRows = (uses: ReadonlyArray<ToolUse>) =>
    Effect.map(
      sql`
        SELECT ${callOfEvent} FROM tool_usage_events e
        WHERE (e.tool_name, e.created_at) IN (
          SELECT value ->> 0, value ->> 1 FROM json_each(${JSON.stringify(uses.map((use) => [use.toolName, use.usedAt]))}))
          AND ${isUnnamed("e")}`,
      (rows) => new Set(Arr.getRights(rows.map(fromEventRow)).map(({ toolUseId }) => toolUseId)),
    )

  const importedCount = SqlSchema.findOne({
    Request: Schema.Struct({ origin: Schema.String, name: Schema.String, project: Schema.String }),
    Result: ImportedCount,
    execute: ({ origin, name, project }) => sql`
      SELECT count, last_used_at FROM imported_baselines
      WHERE origin = ${origin} AND name = ${name} AND project_hash = ${project}`,
  })

  return StoreTransfer.of({
    readAll: ({ project, since }, take) => {
      const ask = failingTo("read the store for an export")
      const ofProject = project === AllProjects ? sql`true` : sql`project_hash IS ${project}`
      const all = Effect.gen(function* () {
        const { day } = yield* ask(prunedBefore(undefined))
        const pruned = day === null ? null : (`${day} 00:00:00` as Timestamp)
        const from = since !== null && (pruned === null || since > pruned) ? since : pruned
        const header = { tooltrail: "events", version: TRANSFER_VERSION, exported_at: yield* now, since: from } as const
        yield* take([Either.right({ header })])

        const seen = { projects: 0, tools: 0, events: 0 }
        const hand = (kind: keyof typeof seen, records: ReadonlyArray<Either.Either<TransferRecord, string>>) => {
          seen[kind] += Arr.countBy(records, Either.isRight)
          return take(records)
        }
        const projects = yield* ask(
          sql`SELECT ${projectColumns} FROM projects WHERE ${ofProject} ORDER BY project_hash`,
        )
        yield* hand(
          "projects",
          projects.map((row) => checked(`project ${row.project_hash}`, decodeProject(row), (project) => ({ project }))),
        )
        const tools = yield* ask(
          sql`SELECT ${toolColumns} FROM tool_registry WHERE ${ofProject} ORDER BY name, project_hash`,
        )
        yield* hand(
          "tools",
          tools.map((row) => checked(`tool ${row.name}`, decodeTool(row), (tool) => ({ tool }))),
        )

        // A table holds their order, because the client reads all rows of an answer at once.
        yield* ask(sql`CREATE TEMP TABLE exported_calls (place INTEGER PRIMARY KEY, id INTEGER NOT NULL)`)
        yield* ask(sql`
          INSERT INTO exported_calls (id) SELECT id FROM tool_usage_events
          WHERE ${ofProject} AND created_at >= ${from ?? ""} ORDER BY created_at, id`)
        for (let last = 0; ; last += ROWS_AT_A_TIME) {
          const rows = yield* ask(sql`
            SELECT e.id AS event_id, ${callOfEvent} FROM exported_calls x JOIN tool_usage_events e ON e.id = x.id
            WHERE x.place > ${last} AND x.place <= ${last + ROWS_AT_A_TIME} ORDER BY x.place`)
          if (rows.length === 0) break
          yield* hand(
            "events",
            rows.map((row) => checked(`event ${row.event_id}`, fromEventRow(row), (use) => ({ use }))),
          )
        }
        yield* ask(sql`DROP TABLE exported_calls`)
        yield* take([Either.right({ end: seen })])
      })
      return Effect.catchIf(
        sql.withTransaction(all),
        (error) => error instanceof SqlError,
        (error) => ask(Effect.fail(error)),
      )
    },

    mergeTools: Effect.fn("StoreTransfer.mergeTools")(
      (tools) =>
        Effect.forEach(
          tools,
          (tool) => sql`
            INSERT INTO tool_registry ${sql.insert(tool)}
            ON CONFLICT (name, COALESCE(project_hash, '')) DO UPDATE SET
              tool_type = CASE tool_registry.tool_type WHEN 'unknown' THEN excluded.tool_type ELSE tool_registry.tool_type END,
              description = COALESCE(tool_registry.description, excluded.description),
              server_name = COALESCE(tool_registry.server_name, excluded.server_name),
              discovered_at = min(tool_registry.discovered_at, excluded.discovered_at),
              updated_at = max(tool_registry.updated_at, excluded.updated_at)`,
          { discard: true },
        ),
      failingTo("merge tools"),
    ),

    withoutKnown: Effect.fn("StoreTransfer.withoutKnown")(function* (uses) {
      const made = uses.filter(({ toolUseId }) => toolUseId.startsWith(MADE_ID_PREFIX))
      if (made.length === 0) return uses
      const lasts = new Map<string, string>()
      for (const { agent, session_id, last } of yield* lastOwnCalls(made.map(({ sessionId }) => sessionId))) {
        lasts.set(JSON.stringify([agent, session_id]), fromEpochMillis(toEpochMillis(last) + CLOCK_DIFFERENCE_MILLIS))
      }
      const ids = yield* idsOfRows(made.filter(({ toolUseId }) => toolUseId.startsWith(ROW_ID_PREFIX)))
      const known = new Set(
        made.filter(
          ({ agent, sessionId, usedAt, toolUseId }) =>
            usedAt <= (lasts.get(JSON.stringify([agent, sessionId])) ?? "") || ids.has(toolUseId),
        ),
      )
      return uses.filter((use) => !known.has(use))
    }, failingTo("look for known calls")),

    getImportedCount: Effect.fn("StoreTransfer.getImportedCount")(
      (origin, { name, project_hash }) => importedCount({ origin, name, project: project_hash ?? "" }),
      failingTo("read an imported count"),
    ),

    importCount: Effect.fn("StoreTransfer.importCount")(function* (
      origin,
      { name, project_hash },
      counted,
      withoutEvent,
    ) {
      const { count, last_used_at } = counted
      if (withoutEvent > 0) {
        yield* sql`
          UPDATE tool_registry SET
            usage_count = usage_count + ${withoutEvent}, baseline_count = COALESCE(baseline_count, 0) + ${withoutEvent},
            baseline_last_used_at = NULLIF(max(COALESCE(baseline_last_used_at, ''), COALESCE(${last_used_at}, '')), ''),
            last_used_at = NULLIF(max(COALESCE(last_used_at, ''), COALESCE(${last_used_at}, '')), '')
          WHERE name = ${name} AND COALESCE(project_hash, '') = COALESCE(${project_hash}, '')`
      }
      yield* sql`
        INSERT INTO imported_baselines ${sql.insert({ origin, name, project_hash: project_hash ?? "", count, last_used_at })}
        ON CONFLICT (origin, name, project_hash) DO UPDATE SET count = excluded.count, last_used_at = excluded.last_used_at`
    }, failingTo("import the counts of a tool")),
  })
})

/** `StoreTransfer` over an open store. */
export const StoreTransferSql: Layer.Layer<StoreTransfer, never, SqlClient.SqlClient> = Layer.effect(
  StoreTransfer,
  make,
)
