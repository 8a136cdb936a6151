import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { PersistenceError } from "../../domain/StoreError.ts"
import type { Home } from "../../services/Home.ts"
import { replaceFile } from "../files/atomicFile.ts"
import { makeHomeFolder } from "../files/HomeLive.ts"
import { INSTALLATIONS } from "../files/ownedFiles.ts"

/** An edited settings file, and what undoing the edit needs. */
export const Installation = Schema.Struct({
  scope: Schema.Literal("user", "project", "local"),
  path: Schema.String,
  /** SHA-256 of the content before the edit; null if there was no file. */
  before: Schema.NullOr(Schema.String),
  /** SHA-256 of the content that was written. */
  after: Schema.String,
  backup: Schema.NullOr(Schema.String),
  /** The outermost folder that was made for the file. */
  made_folder: Schema.NullOr(Schema.String),
  /** The events under "hooks" before the edit, even those with empty lists; null without "hooks". */
  events_before: Schema.optionalWith(Schema.NullOr(Schema.Array(Schema.String)), { default: () => null }),
})

export type Installation = typeof Installation.Type

/** What `tooltrail install` remembers. The plugin reads the path of the hook's program here. */
export const Installations = Schema.Struct({
  hook: Schema.NullOr(Schema.String),
  settings: Schema.Array(Installation),
})

export type Installations = typeof Installations.Type

const none: Installations = { hook: null, settings: [] }

const pathIn = (home: Context.Tag.Service<Home>) => join(home.directory, INSTALLATIONS)

const decode = Schema.decodeUnknown(Schema.parseJson(Installations))

const failing = (operation: string) => (cause: unknown) =>
  new PersistenceError({ operation, reason: "unavailable", cause })

export const readInstallations = (home: Context.Tag.Service<Home>): Effect.Effect<Installations, PersistenceError> =>
  Effect.gen(function* () {
    const path = pathIn(home)
    const text = yield* Effect.try({
      try: () => (statSync(path, { throwIfNoEntry: false }) === undefined ? undefined : readFileSync(path, "utf8")),
      catch: failing(`read ${path}`),
    })
    if (text === undefined) return none
    return yield* decode(text).pipe(
      Effect.catchTag("ParseError", () => Effect.as(Effect.logWarning(`${path} is damaged; ignoring it`), none)),
    )
  })

export const writeInstallations = (
  home: Context.Tag.Service<Home>,
  installations: Installations,
): Effect.Effect<void, PersistenceError> =>
  Effect.try({
    try: () => {
      makeHomeFolder(home.directory)
      replaceFile(pathIn(home), `${JSON.stringify(installations, null, 2)}\n`, 0o600)
    },
    catch: failing(`write ${pathIn(home)}`),
  })
