import { existsSync, mkdirSync, readdirSync, realpathSync, statSync } from "node:fs"
import { join, resolve } from "node:path"
import * as Reactivity from "@effect/experimental/Reactivity"
import type * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { PersistenceError } from "../../domain/StoreError.ts"
import { StoreMissing } from "../../domain/StoreMissing.ts"
import { Home } from "../../services/Home.ts"
import { StoreFile } from "../../services/StoreFile.ts"
import { makeHomeFolder } from "../files/homeFolder.ts"
import { checkDriver } from "./checkDriver.ts"
import { copyOnline, copyStore, makeDraft, publish, settleCopy } from "./copyStoreFile.ts"
import { latestMigration } from "./latestMigration.ts"
import { replaceStoreFile } from "./replaceStoreFile.ts"
import { openStoreFile, readBytes, readDamage, readSchema } from "./storeFileQueries.ts"

/** `20260131-235959`, in UTC. */
const compactTime = Effect.map(Clock.currentTimeMillis, (millis) =>
  new Date(millis).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-"),
)

const failed = (operation: string, reason: "unavailable" | "rejected") => (cause: unknown) =>
  cause instanceof PersistenceError ? cause : new PersistenceError({ operation, reason, cause })

/** An open that fails is a defect in the SQL client. */
const doing =
  (operation: string) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, PersistenceError | Extract<E, StoreMissing>, R> =>
    effect.pipe(
      Effect.catchAllDefect((defect) => Effect.fail(defect)),
      Effect.mapError((cause) =>
        cause instanceof StoreMissing ? (cause as Extract<E, StoreMissing>) : failed(operation, "unavailable")(cause),
      ),
    )

const refuse = (operation: string, why: string) => Effect.fail(failed(operation, "rejected")(why))

const isSameFile = (a: string, b: string): boolean =>
  existsSync(a) && existsSync(b) && realpathSync.native(a) === realpathSync.native(b)

const make = Effect.gen(function* () {
  const home = yield* Home
  const reactivity = yield* Reactivity.Reactivity
  const backups = join(home.directory, "backups")
  const withReactivity = Effect.provideService(Reactivity.Reactivity, reactivity)

  const present = Effect.gen(function* () {
    yield* checkDriver
    const file = yield* Effect.try(() => statSync(home.database, { throwIfNoEntry: false }))
    if (file === undefined) return yield* new StoreMissing({ path: home.database })
    if (file.size === 0) return yield* refuse(`use the store ${home.database}`, "it is empty")
  })

  const identifyBy = (client: SqliteClient.SqliteClient) =>
    Effect.gen(function* () {
      return { bytes: yield* readBytes(client), schema: yield* readSchema(client), programSchema: latestMigration }
    })

  /** Has the open file looked at. */
  const looking = <A, E>(look: (client: SqliteClient.SqliteClient) => Effect.Effect<A, E>) =>
    present.pipe(
      Effect.zipRight(openStoreFile(home.database, { readonly: true })),
      Effect.flatMap(look),
      Effect.scoped,
      withReactivity,
      doing(`check the store ${home.database}`),
    )

  return StoreFile.of({
    identify: looking(identifyBy),

    inspect: looking((client) =>
      Effect.gen(function* () {
        const damage = yield* readDamage(client)
        return { ...(yield* identifyBy(client)), damage }
      }),
    ),

    backup: Effect.fn("StoreFile.backup")(function* (chosen) {
      const path = resolve(Option.isSome(chosen) ? chosen.value : join(backups, `tooltrail-${yield* compactTime}.db`))
      const operation = `back the store up to ${path}`
      yield* Effect.gen(function* () {
        yield* present
        if (Option.isNone(chosen)) yield* Effect.try(() => mkdirSync(backups, { recursive: true, mode: 0o700 }))
        if (yield* Effect.try(() => existsSync(path))) return yield* refuse(operation, "there is a file of that name")
        const draft = yield* makeDraft(path)
        yield* Effect.scoped(Effect.flatMap(openStoreFile(home.database), (client) => copyOnline(client, draft)))
        yield* settleCopy(draft, "DELETE", (why) => refuse(operation, `the store cannot be copied: ${why}`))
        yield* Effect.try(() => publish(draft, path))
      }).pipe(Effect.scoped, withReactivity, doing(operation))
      return path
    }),

    restore: Effect.fn("StoreFile.restore")(function* (given) {
      const path = resolve(given)
      const operation = `restore ${path}`
      const replaced = `${home.database}.replaced-${yield* compactTime}`
      return yield* Effect.gen(function* () {
        yield* checkDriver
        const source = yield* Effect.try(() => statSync(path))
        if (!source.isFile()) return yield* refuse(operation, "it is no file")
        if (isSameFile(path, home.database)) return yield* refuse(operation, "it is the present store")
        yield* Effect.try(() => makeHomeFolder(home.directory))
        if (existsSync(replaced)) return yield* refuse(operation, `there is a file ${replaced} already`)
        const draft = yield* makeDraft(home.database)
        yield* copyStore(path, draft)
        const calls = yield* settleCopy(draft, "WAL", (why) => refuse(operation, why))
        if (!existsSync(home.database)) {
          yield* Effect.try(() => publish(draft, home.database))
          return { calls, replaced: Option.none<string>() }
        }
        yield* replaceStoreFile(home.database, draft, replaced)
        return { calls, replaced: Option.some(replaced) }
      }).pipe(Effect.scoped, withReactivity, doing(operation))
    }),

    newestBackup: Effect.try(() => {
      const files = readdirSync(backups)
        .filter((name) => name.endsWith(".db"))
        .map((name) => join(backups, name))
        .map((path) => ({ path, time: statSync(path).mtimeMs }))
        .sort((a, b) => b.time - a.time || (a.path < b.path ? 1 : -1))
      return Option.map(Option.fromNullable(files[0]), ({ path }) => path)
    }).pipe(Effect.orElseSucceed(() => Option.none())),
  })
})

/** The store as the SQLite file in the home folder. */
export const StoreFileSqlite: Layer.Layer<StoreFile, never, Home> = Layer.effect(StoreFile, make).pipe(
  Layer.provide(Reactivity.layer),
)
