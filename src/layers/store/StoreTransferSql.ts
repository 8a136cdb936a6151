import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { BaselineShare, type TransferredEvent, type TransferredTool, toolKey } from "../../domain/StoreTransfer.ts"
import { fromEpochMillis, type Timestamp, toEpochMillis } from "../../domain/Timestamp.ts"
import { StoreImport } from "../../services/StoreTransfer.ts"
import { makeClaimCall } from "./claimCall.ts"
import { failingTo } from "./failingTo.ts"
import { makeNameEvent } from "./nameEvent.ts"

const SAME_CALL_MILLIS = 2000

/** A call that has a natural name, by which every source knows it. */
const isNamed = ({ agent, tool_use_id }: TransferredEvent) => agent !== null && tool_use_id !== null

const nameOf = ({ agent, tool_use_id, origin, id, created_at }: TransferredEvent) =>
  JSON.stringify(agent !== null && tool_use_id !== null ? [agent, tool_use_id] : [origin, id, created_at])

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const columnsOf = (table: string, without: ReadonlyArray<string>) =>
    Effect.map(sql`SELECT name FROM pragma_table_info(${table})`, (rows) =>
      rows.map((row) => String(row.name)).filter((name) => !without.includes(name)),
    )

  const nameEvent = makeNameEvent(sql)
  const claimCall = makeClaimCall(sql)

  const identity = Effect.map(sql`SELECT id FROM store_identity`, (rows) => String(rows[0]?.id))
  const self = yield* Effect.cached(identity)
  const eventColumns = yield* Effect.cached(columnsOf("tool_usage_events", ["id"]))
  // The counts are those of the events and the baselines.
  const toolColumns = yield* Effect.cached(
    columnsOf("tool_registry", [
      ...["id", "usage_count", "last_used_at", "baseline_count", "baseline_last_used_at"],
      ...["pruned_count", "pruned_last_used_at"],
    ]),
  )

  const baseline = SqlSchema.findOne({
    Request: Schema.Struct({ origin: Schema.String, name: Schema.String, project_hash: Schema.NullOr(Schema.String) }),
    Result: BaselineShare,
    execute: ({ origin, name, project_hash }) => sql`
      SELECT origin, count, last_used_at, counted FROM imported_baselines
      WHERE origin = ${origin} AND name = ${name} AND COALESCE(project_hash, '') = COALESCE(${project_hash}, '')`,
  })

  const ofTool = ({ name, project_hash }: Pick<TransferredTool, "name" | "project_hash">) =>
    sql`name = ${name} AND COALESCE(project_hash, '') = COALESCE(${project_hash}, '')`

  const keepTool = (tool: TransferredTool, columns: ReadonlyArray<string>) => {
    const known = columns.filter((column) => column in tool)
    return sql`
      INSERT INTO tool_registry ${sql.insert(Object.fromEntries(known.map((column) => [column, tool[column] ?? null])))}
      ON CONFLICT (name, COALESCE(project_hash, '')) DO UPDATE SET
        tool_type = CASE tool_registry.tool_type WHEN 'unknown' THEN excluded.tool_type ELSE tool_registry.tool_type END,
        description = COALESCE(tool_registry.description, excluded.description),
        server_name = COALESCE(tool_registry.server_name, excluded.server_name),
        discovered_at = min(tool_registry.discovered_at, excluded.discovered_at),
        updated_at = max(tool_registry.updated_at, excluded.updated_at)`
  }

  /** What the store has written itself it has. */
  const addBaseline = (tool: TransferredTool, share: BaselineShare, own: string) =>
    Effect.gen(function* () {
      if (share.origin === own) return
      const { name, project_hash } = tool
      const taken = yield* baseline({ origin: share.origin, name, project_hash })
      const isFirst = Option.isNone(taken)
      const growth = share.count - (isFirst ? 0 : taken.value.count)
      if (!isFirst && growth < 0) return
      yield* sql`
        UPDATE tool_registry SET
          usage_count = usage_count + ${growth},
          baseline_count = COALESCE(baseline_count, 0) + ${growth},
          baseline_last_used_at = NULLIF(max(COALESCE(baseline_last_used_at, ''), COALESCE(${share.last_used_at}, '')), ''),
          last_used_at = NULLIF(max(COALESCE(last_used_at, ''), COALESCE(${share.last_used_at}, '')), '')
        WHERE ${ofTool(tool)}`
      yield* sql`
        INSERT INTO imported_baselines ${sql.insert({ ...share, name, project_hash })}
        ON CONFLICT (origin, name, COALESCE(project_hash, '')) DO UPDATE SET
          count = excluded.count, last_used_at = excluded.last_used_at,
          counted = COALESCE(excluded.counted, imported_baselines.counted)`
    })

  const nextEventId = Effect.map(
    sql`SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'tool_usage_events'), 0) + 1 AS id`,
    (rows) => Number(rows[0]?.id),
  )

  const insertEvents = (events: ReadonlyArray<TransferredEvent>, firstId: number, columns: ReadonlyArray<string>) => {
    const present = columns.filter((column) => events.some((event) => column in event))
    const rows = events.map((event, place) => [firstId + place, ...present.map((column) => event[column] ?? null)])
    const values = present.map((_, place) => sql`value ->> ${sql.literal(String(place + 1))}`)
    return sql`
      INSERT INTO tool_usage_events (id, ${sql.csv(present.map((column) => sql`${sql(column)}`))})
      SELECT value ->> 0, ${sql.csv(values)} FROM json_each(${JSON.stringify(rows)}) WHERE true
      ON CONFLICT (agent, tool_use_id) WHERE tool_use_id IS NOT NULL DO NOTHING
      RETURNING id`
  }

  const rememberOrigins = (
    rows: ReadonlyArray<readonly [origin: string, id: number, at: string, eventId: number]>,
  ) => sql`
    INSERT INTO event_origins (origin, origin_id, created_at, event_id)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(${JSON.stringify(rows)})`

  const isToldAlready = ({ origin, id, created_at, agent, ...event }: TransferredEvent) =>
    Effect.gen(function* () {
      if (agent === null) return false
      const eventId = yield* claimCall({
        agent,
        usedAt: created_at,
        toolUseId: event.tool_use_id,
        sessionId: event.session_id,
        toolName: event.tool_name,
        success: event.success === 1,
        durationMs: event.duration_ms,
        subagent: event.subagent,
        target: event.target,
        source: event.source,
      })
      if (eventId === undefined) return false
      yield* rememberOrigins([[origin, id, created_at, eventId]])
      return true
    })

  const countUses = (events: ReadonlyArray<TransferredEvent>) =>
    Effect.gen(function* () {
      const uses = new Map<string, { name: string; project_hash: string | null; count: number; last: Timestamp }>()
      for (const { tool_name: name, project_hash, created_at } of events) {
        const key = toolKey({ name, project_hash })
        const use = uses.get(key) ?? { name, project_hash, count: 0, last: created_at }
        uses.set(key, { ...use, count: use.count + 1, last: created_at > use.last ? created_at : use.last })
      }
      yield* Effect.forEach(
        uses.values(),
        ({ count, last, ...tool }) => sql`
          UPDATE tool_registry SET
            usage_count = usage_count + ${count}, last_used_at = max(COALESCE(last_used_at, ''), ${last})
          WHERE ${ofTool(tool)}`,
        { discard: true },
      )
    })

  return StoreImport.of({
    identity: self.pipe(failingTo("read the store's identity"), Effect.withSpan("StoreImport.identity")),

    takeProject: Effect.fn("StoreImport.takeProject")(
      (project) => sql`
        INSERT INTO projects ${sql.insert(project)}
        ON CONFLICT (project_hash) DO UPDATE SET
          first_seen = min(projects.first_seen, excluded.first_seen),
          last_seen = max(projects.last_seen, excluded.last_seen)`,
      failingTo("take over a project"),
      Effect.asVoid,
    ),

    takeTool: Effect.fn("StoreImport.takeTool")(function* (tool, baselines) {
      yield* keepTool(tool, yield* toolColumns)
      const own = yield* self
      yield* Effect.forEach(baselines, (share) => addBaseline(tool, share, own), { discard: true })
    }, failingTo("take over a tool")),

    getBaseline: Effect.fn("StoreImport.getBaseline")(
      (origin, { name, project_hash }) => baseline({ origin, name, project_hash }),
      failingTo("read a baseline that was taken over"),
    ),

    findUnknown: Effect.fn("StoreImport.findUnknown")(function* (events) {
      const names = events.map(({ origin, id, created_at, agent, tool_use_id }) => [
        origin,
        id,
        created_at,
        agent,
        tool_use_id,
      ])
      const rows = yield* sql`
        SELECT c.key AS place FROM json_each(${JSON.stringify(names)}) c
        WHERE CASE WHEN c.value ->> 3 IS NOT NULL AND c.value ->> 4 IS NOT NULL
          THEN NOT EXISTS (
            SELECT 1 FROM tool_usage_events e WHERE e.agent = c.value ->> 3 AND e.tool_use_id = c.value ->> 4)
          ELSE NOT EXISTS (
            SELECT 1 FROM event_origins i
            WHERE i.origin = c.value ->> 0 AND i.origin_id = c.value ->> 1 AND i.created_at = c.value ->> 2)
          AND NOT (c.value ->> 0 = ${yield* self} AND EXISTS (
            SELECT 1 FROM tool_usage_events e WHERE e.id = c.value ->> 1 AND e.created_at = c.value ->> 2))
          END
        ORDER BY c.key`
      const unknown = new Map<string, TransferredEvent>()
      for (const { place } of rows) {
        const event = events[Number(place)]
        if (event !== undefined && !unknown.has(nameOf(event))) unknown.set(nameOf(event), event)
      }
      return [...unknown.values()]
    }, failingTo("look for known events")),

    nameUnnamed: Effect.fn("StoreImport.nameUnnamed")(function* (events) {
      const named = events.filter(isNamed)
      if (named.length === 0) return
      const places = named.map(({ origin, id, created_at }) => [origin, id, created_at])
      const rows = yield* sql`
        SELECT place, here FROM (
          SELECT c.key AS place, c.value ->> 2 AS at,
            iif(c.value ->> 0 = ${yield* self}, c.value ->> 1, (
              SELECT event_id FROM event_origins
              WHERE origin = c.value ->> 0 AND origin_id = c.value ->> 1 AND created_at = c.value ->> 2)) AS here
          FROM json_each(${JSON.stringify(places)}) c)
        WHERE EXISTS (SELECT 1 FROM tool_usage_events WHERE id = here AND created_at = at AND tool_use_id IS NULL)
          OR EXISTS (SELECT 1 FROM pruned_hook_calls WHERE event_id = here AND created_at = at)`
      for (const { place, here } of rows) {
        const toolUseId = named[Number(place)]?.tool_use_id
        if (typeof toolUseId === "string") yield* nameEvent(Number(here), toolUseId)
      }
    }, failingTo("name events by their calls")),

    withoutTold: Effect.fn("StoreImport.withoutTold")(function* (events) {
      const others: Array<TransferredEvent> = []
      // In their order, which `Effect.filter` does not keep to.
      for (const event of events) if (!(yield* isToldAlready(event))) others.push(event)
      return others
    }, failingTo("look for the calls of events")),

    adopt: Effect.fn("StoreImport.adopt")(function* ({ origin, id, created_at, tool_name, session_id, success }) {
      if (session_id === null) return false
      const at = toEpochMillis(created_at)
      const [row] = yield* sql`
        SELECT e.id FROM tool_usage_events e
        WHERE e.session_id = ${session_id} AND e.tool_name = ${tool_name} AND e.success = ${success}
          AND e.tool_use_id IS NOT NULL
          AND e.created_at BETWEEN ${fromEpochMillis(at - SAME_CALL_MILLIS)} AND ${fromEpochMillis(at + SAME_CALL_MILLIS)}
          AND NOT EXISTS (SELECT 1 FROM event_origins i WHERE i.event_id = e.id AND i.origin = ${origin})
        ORDER BY abs(unixepoch(e.created_at) - unixepoch(${created_at})), e.id LIMIT 1`
      if (row === undefined) return false
      yield* rememberOrigins([[origin, id, created_at, Number(row.id)]])
      return true
    }, failingTo("look for the call of an event")),

    countOfPrunedSessions: Effect.fn("StoreImport.countOfPrunedSessions")(function* (events) {
      const sessions = JSON.stringify(events.map(({ session_id, created_at }) => [session_id, created_at]))
      const [row] = yield* sql`
        SELECT count(*) AS events FROM rollup_state CROSS JOIN json_each(${sessions})
        CROSS JOIN pruned_sessions ON session_id = value ->> 0 AND value ->> 1 < pruned_before`
      return Number(row?.events)
    }, failingTo("look for events of pruned sessions")),

    add: Effect.fn("StoreImport.add")(function* (events) {
      if (events.length === 0) return 0
      const firstId = yield* nextEventId
      const inserted = (yield* insertEvents(events, firstId, yield* eventColumns)).map((row) => Number(row.id))
      const added = inserted.flatMap((id) => {
        const event = events[id - firstId]
        return event === undefined ? [] : [{ id, event }]
      })
      const unnamed = added.filter(({ event }) => !isNamed(event))
      yield* rememberOrigins(unnamed.map(({ id, event }) => [event.origin, event.id, event.created_at, id] as const))
      yield* countUses(added.map(({ event }) => event))
      return added.length
    }, failingTo("add events")),

    rememberUnnamed: Effect.fn("StoreImport.rememberUnnamed")(function* (events) {
      const rows = events.flatMap(({ origin, id, created_at, agent, tool_use_id, was_unnamed }) =>
        was_unnamed === 1 ? [[origin, id, created_at, agent, tool_use_id]] : [],
      )
      if (rows.length === 0) return
      yield* sql`
        INSERT OR IGNORE INTO event_origins (origin, origin_id, created_at, event_id)
        SELECT value ->> 0, value ->> 1, value ->> 2, (
          SELECT id FROM tool_usage_events WHERE agent = value ->> 3 AND tool_use_id = value ->> 4)
        FROM json_each(${JSON.stringify(rows)})`
    }, failingTo("remember the names of events")),
  })
})

/** `StoreImport` over an open store. */
export const StoreImportSql: Layer.Layer<StoreImport, never, SqlClient.SqlClient> = Layer.effect(StoreImport, make)
