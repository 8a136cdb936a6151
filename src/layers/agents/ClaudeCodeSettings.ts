import { existsSync, mkdirSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { describeRegistration, filesOf, findHandlers, type Registered } from "../../domain/agents/claudeCodeSettings.ts"
import {
  areHooksDisabled,
  changesToRegister,
  changesToUnregister,
  enabledPlugins,
  findMisshape,
  listedEvents,
} from "../../domain/agents/SettingsChange.ts"
import { UnusableSettings } from "../../domain/agents/UnusableSettings.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { AgentSettings, type SettingsFile, type SettingsScope, settingsScopes } from "../../services/AgentSettings.ts"
import { Home } from "../../services/Home.ts"
import { replaceFile } from "../files/atomicFile.ts"
import { claudeConfigFolder } from "../files/claudeConfigFolder.ts"
import { findCheckout } from "../files/ProjectResolverLive.ts"
import { knownToken, tokenPath } from "../files/tokenFile.ts"
import { type Installation, readInstallations, writeInstallations } from "./installations.ts"
import { changeJsonText, type JsonText, parseJsonText } from "./jsonText.ts"
import {
  backupPath,
  checkUnchanged,
  followLinks,
  hashOf,
  readText,
  removeEmptyFolders,
  stat,
  withoutMark,
  writeBackup,
} from "./settingsFile.ts"

/** A new file's mode, of which the process's umask takes its part; of one that holds a token. */
const FILE_MODE = 0o666
const SECRET_MODE = 0o600

const reasonOf = (error: unknown): string =>
  error instanceof TypeError ? "it is not UTF-8" : error instanceof Error ? error.message : String(error)

const attempt = <A>(path: string, run: () => A): Effect.Effect<A, UnusableSettings> =>
  Effect.try({ try: run, catch: (error) => new UnusableSettings({ path, reason: reasonOf(error) }) })

/** What settings say; those of an empty file are empty. */
const parse = (path: string, text: string): Effect.Effect<JsonText, UnusableSettings> =>
  Either.match(parseJsonText(text.trim() === "" ? "{}" : text), {
    onLeft: (reason) => Effect.fail(new UnusableSettings({ path, reason })),
    onRight: (json) => {
      const reason = findMisshape(json.value)
      return reason === undefined ? Effect.succeed(json) : Effect.fail(new UnusableSettings({ path, reason }))
    },
  })

const make = Effect.gen(function* () {
  const home = yield* Home

  const projectFolder = Effect.try({
    try: () => findCheckout(process.cwd()) ?? process.cwd(),
    catch: () =>
      new PersistenceError({ operation: "tell the project", reason: "rejected", cause: "the current folder is gone" }),
  })

  const token = knownToken(tokenPath(home))

  const missingFiles = (registered: Registered | undefined) =>
    (registered?.command === undefined ? [] : filesOf(registered.command)).filter((path) => !existsSync(path))

  const locate = Effect.fn("AgentSettings.locate")(function* (scope: SettingsScope) {
    if (scope === "user") return { scope, path: join(yield* claudeConfigFolder, "settings.json") }
    const name = scope === "project" ? "settings.json" : "settings.local.json"
    return { scope, path: join(yield* projectFolder, ".claude", name) }
  })

  /** The file's content, and the path and mode it is written with. */
  const open = ({ path }: Pick<SettingsFile, "path">) =>
    attempt(path, () => {
      const target = followLinks(path)
      return { target, content: readText(target), mode: stat(target)?.mode }
    })

  const remember = (installation: Installation, hook?: string) =>
    Effect.gen(function* () {
      const known = yield* readInstallations(home)
      const others = known.settings.filter(({ path }) => path !== installation.path)
      yield* writeInstallations(home, { hook: hook ?? known.hook, settings: [...others, installation] })
    })

  /** The other file in a folder that was made for both is the one to remove it with. */
  const inherit = (other: Installation, { path, made_folder }: Installation): Installation =>
    other.made_folder === null && made_folder !== null && dirname(other.path) === dirname(path)
      ? { ...other, made_folder }
      : other

  const forget = (path: string) =>
    Effect.gen(function* () {
      const { hook, settings } = yield* readInstallations(home)
      const gone = settings.find((each) => each.path === path)
      if (gone === undefined) return
      const others = settings.filter((each) => each !== gone).map((other) => inherit(other, gone))
      yield* writeInstallations(home, { hook, settings: others })
    })

  /** Where the hook's program is, for the plugin. */
  const rememberHook = (hook: string | undefined) =>
    Effect.gen(function* () {
      const known = yield* readInstallations(home)
      if (hook !== undefined && hook !== known.hook) yield* writeInstallations(home, { ...known, hook })
    })

  const recall = (path: string) =>
    Effect.map(readInstallations(home), ({ settings }) => settings.find((each) => each.path === path))

  return AgentSettings.of({
    agentFolder: Effect.map(claudeConfigFolder, (folder) =>
      stat(folder)?.isDirectory() === true ? Option.some(folder) : Option.none(),
    ),

    locate,

    everywhere: Effect.gen(function* () {
      // Where the current folder is gone, there is no project either.
      const here = yield* Effect.forEach(settingsScopes, (scope) =>
        locate(scope).pipe(
          Effect.tapError((error) => Effect.logDebug(error.message)),
          Effect.option,
        ),
      )
      const { settings } = yield* readInstallations(home)
      const files = [...here.flatMap(Option.toArray), ...settings.map(({ scope, path }) => ({ scope, path }))]
      return files.filter(({ path }, place) => files.findIndex((each) => each.path === path) === place)
    }),

    read: Effect.fn("AgentSettings.read")(function* (path) {
      const { content } = yield* open({ path })
      if (content === undefined) return Option.none()
      const { value } = yield* parse(path, withoutMark(content).text)
      const ownToken = yield* token
      const found = findHandlers(value, ownToken)
      const registered = describeRegistration(found)
      return Option.some({
        registered: Option.fromNullable(registered),
        missingFiles: missingFiles(registered),
        hasOwnToken: registered?.token !== undefined && registered.token === ownToken,
        plugins: enabledPlugins(value),
        areHooksDisabled: areHooksDisabled(value),
      })
    }),

    register: Effect.fn("AgentSettings.register")(function* (file, registration, editMode) {
      const { target, content, mode } = yield* open(file)
      const { mark, text } = withoutMark(content ?? "")
      const json = yield* parse(file.path, text)
      const ownToken = registration.endpoint?.token ?? (yield* token)
      const changes = changesToRegister(json.value, registration, ownToken)
      const changed = changeJsonText(text.trim() === "" ? "{}" : text, changes)
      const after = mark + (text.trim() === "" ? `${changed}\n` : changed)
      const isChanged = changes.length > 0
      const earlier = yield* recall(file.path)
      const goesOn = content !== undefined && earlier?.after === hashOf(content)
      const backup =
        content === undefined || !isChanged || goesOn
          ? null
          : yield* attempt(file.path, () => backupPath(file.path, content))
      const hook = registration.command.args.at(-1)
      if (editMode === "write" && !isChanged) yield* rememberHook(hook)
      if (editMode === "write" && isChanged) {
        const made_folder = yield* attempt(file.path, () => mkdirSync(dirname(target), { recursive: true }) ?? null)
        const before = content === undefined ? null : hashOf(content)
        const older = changesToUnregister(json.value, ownToken, earlier?.events_before ?? null)
        const events_before = listedEvents((yield* parse(file.path, changeJsonText(text, older))).value)
        const base = goesOn && earlier !== undefined ? earlier : { ...file, before, backup, made_folder, events_before }
        yield* remember({ ...base, after: hashOf(after) }, hook)
        yield* attempt(file.path, () => {
          checkUnchanged(target, content)
          if (backup !== null && content !== undefined) writeBackup(backup, content, (mode ?? 0) & 0o777)
          replaceFile(target, after, registration.endpoint === undefined ? FILE_MODE : SECRET_MODE)
        })
      }
      return {
        file,
        before: Option.fromNullable(content),
        after: Option.some(isChanged ? after : (content ?? after)),
        backup: Option.fromNullable(backup),
        isExposed: registration.endpoint !== undefined && process.platform !== "win32" && ((mode ?? 0) & 0o077) !== 0,
      }
    }),

    unregister: Effect.fn("AgentSettings.unregister")(function* (file, editMode) {
      const { target, content } = yield* open(file)
      const earlier = yield* recall(file.path)
      const ownToken = yield* token
      const unchanged = {
        file,
        before: Option.fromNullable(content),
        after: Option.fromNullable(content),
        backup: Option.none<string>(),
        isExposed: false,
      }
      if (content === undefined) {
        if (editMode === "write") yield* forget(file.path)
        return unchanged
      }
      const { mark, text } = withoutMark(content)
      const json = yield* parse(file.path, text)
      if (findHandlers(json.value, ownToken).length === 0) {
        if (editMode === "write") yield* forget(file.path)
        return unchanged
      }

      /** The file before tooltrail, where that is known to the byte. */
      const original = yield* attempt(file.path, () => {
        const kept = typeof earlier?.backup === "string" ? readText(earlier.backup) : undefined
        return kept !== undefined && hashOf(kept) === earlier?.before ? kept : undefined
      })
      const before = yield* parse(file.path, withoutMark(original ?? "").text)
      const wasClean = findHandlers(before.value, ownToken).length === 0
      const isUntouched = earlier?.after === hashOf(content)
      const changes = changesToUnregister(json.value, ownToken, earlier?.events_before ?? null)
      const remaining = mark + changeJsonText(text, changes)
      const wasAbsent = earlier !== undefined && earlier.before === null
      const after =
        wasAbsent && (isUntouched || remaining.trim() === "{}")
          ? undefined
          : isUntouched && wasClean && original !== undefined
            ? original
            : remaining
      const isRestored = after === undefined || after === original
      if (editMode === "write") {
        yield* attempt(file.path, () => {
          checkUnchanged(target, content)
          if (after === undefined) {
            rmSync(target)
            if (typeof earlier?.made_folder === "string") removeEmptyFolders(dirname(target), earlier.made_folder)
          } else replaceFile(target, after, FILE_MODE)
          if (isRestored && typeof earlier?.backup === "string") rmSync(earlier.backup, { force: true })
        })
        yield* forget(file.path)
      }
      return {
        ...unchanged,
        after: Option.fromNullable(after),
        backup: isRestored ? Option.none() : Option.fromNullable(earlier?.backup),
      }
    }),
  })
})

/** Settings files on disk. */
export const AgentSettingsFiles: Layer.Layer<AgentSettings, never, Home> = Layer.effect(AgentSettings, make)
