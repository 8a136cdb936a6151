import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs"
import { dirname, join, resolve } from "node:path"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import {
  areHooksDisabled,
  changesToRegister,
  changesToUnregister,
  describeRegistration,
  enabledPlugins,
  filesOf,
  findHandlers,
  findMisshape,
  listedEvents,
  type Registered,
  UnusableSettings,
} from "../../domain/agents/claudeCodeSettings.ts"
import { PersistenceError } from "../../domain/StoreError.ts"
import { AgentSettings, type SettingsFile, type SettingsScope, settingsScopes } from "../../services/AgentSettings.ts"
import { Home } from "../../services/Home.ts"
import { replaceFile } from "../files/atomicFile.ts"
import { claudeConfigFolder, makeHomeFolder } from "../files/HomeLive.ts"
import { INSTALLATIONS } from "../files/ownedFiles.ts"
import { findCheckout } from "../files/ProjectResolverLive.ts"
import { knownToken, tokenPath } from "../files/tokenFile.ts"
import { changeJsonText, type JsonText, parseJsonText } from "./jsonText.ts"

/** The mode of a new settings file, before the umask; and of one that holds a token. */
const FILE_MODE = 0o666
const SECRET_MODE = 0o600
const BYTE_ORDER_MARK = "\uFEFF"
const VERSION_PATIENCE_MILLIS = 3000

const stat = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false })

/** The file that a path leads to, even if it does not exist. */
const followLinks = (path: string): string => {
  if (stat(path) !== undefined) return realpathSync(path)
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return path
  return followLinks(resolve(dirname(path), readlinkSync(path)))
}

const hashOf = (content: string): string => createHash("sha256").update(content).digest("hex")

/** The content of a file; undefined if there is none. */
const readText = (path: string): string | undefined =>
  stat(path) === undefined
    ? undefined
    : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path))

/** A free name beside the file, or one that holds this content already. */
const backupPath = (path: string, content: string, number = 1): string => {
  const candidate = `${path}.tooltrail-backup${number === 1 ? "" : `-${number}`}`
  const there = stat(candidate)
  return there === undefined || (there.isFile() && readFileSync(candidate).equals(Buffer.from(content)))
    ? candidate
    : backupPath(path, content, number + 1)
}

const writeBackup = (path: string, content: string, mode: number): void => {
  if (stat(path) === undefined) writeFileSync(path, content, { mode, flag: "wx" })
}

/** Removes empty folders, from `folder` up to `outermost`. */
const removeEmptyFolders = (folder: string, outermost: string): void => {
  if (readdirSync(folder).length > 0) return
  rmdirSync(folder)
  if (folder !== outermost) removeEmptyFolders(dirname(folder), outermost)
}

/** Refuses to replace what another program has just written, or a file that is read-only. */
export const checkUnchanged = (target: string, content: string | undefined): void => {
  if (readText(target) !== content) throw new Error("another program has just changed it; try again")
  if (content !== undefined) accessSync(target, constants.W_OK)
}

const reasonOf = (error: unknown): string =>
  error instanceof TypeError ? "it is not UTF-8" : error instanceof Error ? error.message : String(error)

const attempt = <A>(path: string, run: () => A): Effect.Effect<A, UnusableSettings> =>
  Effect.try({ try: run, catch: (error) => new UnusableSettings({ path, reason: reasonOf(error) }) })

/** A settings file's text, and what it says. */
interface ParsedSettings extends JsonText {
  readonly mark: string
  readonly text: string
}

/** An empty file counts as an empty object. */
const parse = (path: string, content: string): Effect.Effect<ParsedSettings, UnusableSettings> => {
  const mark = content.startsWith(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK : ""
  const text = content.slice(mark.length)
  return Either.match(parseJsonText(text.trim() === "" ? "{}" : text), {
    onLeft: (reason) => Effect.fail(new UnusableSettings({ path, reason })),
    onRight: (json) => {
      const reason = findMisshape(json.value)
      return reason === undefined
        ? Effect.succeed({ ...json, mark, text })
        : Effect.fail(new UnusableSettings({ path, reason }))
    },
  })
}

/** An edited settings file, and what undoing the edit needs. */
const Installation = Schema.Struct({
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

type Installation = typeof Installation.Type

/** What `tooltrail install` remembers. The plugin reads the path of the hook's program here. */
const Installations = Schema.Struct({
  hook: Schema.NullOr(Schema.String),
  settings: Schema.Array(Installation),
})

type Installations = typeof Installations.Type

const none: Installations = { hook: null, settings: [] }

const pathIn = (home: Context.Tag.Service<Home>) => join(home.directory, INSTALLATIONS)

const decode = Schema.decodeUnknown(Schema.parseJson(Installations))

const failing = (operation: string) => (cause: unknown) =>
  new PersistenceError({ operation, reason: "unavailable", cause })

const readInstallations = (home: Context.Tag.Service<Home>) =>
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

/** Writes what the change makes of what is remembered. */
const changeInstallations = (home: Context.Tag.Service<Home>, change: (known: Installations) => Installations) =>
  Effect.flatMap(readInstallations(home), (known) =>
    Effect.try({
      try: () => {
        const changed = change(known)
        if (changed === known) return
        makeHomeFolder(home.directory)
        replaceFile(pathIn(home), `${JSON.stringify(changed, null, 2)}\n`, 0o600)
      },
      catch: failing(`write ${pathIn(home)}`),
    }),
  )

/** Stands for a file that `register` never edited: no content has these hashes. */
const neverEdited = { before: "", after: "", backup: null, made_folder: null, events_before: null }

/** The content without tooltrail's hook: the original if nothing else has changed since. None if the file is to go. */
const decideRemoval = (
  content: string,
  { mark, text, value }: ParsedSettings,
  token: string | undefined,
  { before, after, events_before }: Installation,
  original: Option.Option<string>,
): Option.Option<string> => {
  const isUntouched = after === hashOf(content)
  const remaining = mark + changeJsonText(text, changesToUnregister(value, token, events_before))
  if (before === null && (isUntouched || remaining.trim() === "{}")) return Option.none()
  return isUntouched ? Option.orElseSome(original, () => remaining) : Option.some(remaining)
}

const make = Effect.gen(function* () {
  const home = yield* Home

  const projectFolder = Effect.try({
    try: () => findCheckout(process.cwd()) ?? process.cwd(),
    catch: () =>
      new PersistenceError({ operation: "find the project", reason: "rejected", cause: "the current folder is gone" }),
  })

  const token = knownToken(tokenPath(home))

  const missingFiles = (registered: Registered | undefined) =>
    (registered?.command === undefined ? [] : filesOf(registered.command)).filter((path) => !existsSync(path))

  const locate = Effect.fn("AgentSettings.locate")(function* (scope: SettingsScope) {
    if (scope === "user") return { scope, path: join(yield* claudeConfigFolder, "settings.json") }
    const name = scope === "project" ? "settings.json" : "settings.local.json"
    return { scope, path: join(yield* projectFolder, ".claude", name) }
  })

  /** The file's content, and the path and mode to write it with. */
  const open = ({ path }: Pick<SettingsFile, "path">) =>
    attempt(path, () => {
      const target = followLinks(path)
      return { target, content: readText(target), mode: stat(target)?.mode }
    })

  const remember = (installation: Installation, hook: string | null) =>
    changeInstallations(home, (known) => {
      const others = known.settings.filter(({ path }) => path !== installation.path)
      return { hook: hook ?? known.hook, settings: [...others, installation] }
    })

  /** If a folder was made for two files, the one that goes last removes it. */
  const inherit = (other: Installation, { path, made_folder }: Installation): Installation =>
    other.made_folder === null && made_folder !== null && dirname(other.path) === dirname(path)
      ? { ...other, made_folder }
      : other

  const forget = (path: string) =>
    changeInstallations(home, (known) => {
      const gone = known.settings.find((each) => each.path === path)
      if (gone === undefined) return known
      const others = known.settings.filter((each) => each !== gone)
      return { ...known, settings: others.map((other) => inherit(other, gone)) }
    })

  /** The plugin finds the hook's program by this. */
  const rememberHook = (hook: string | null) =>
    changeInstallations(home, (known) => (hook === null || hook === known.hook ? known : { ...known, hook }))

  const recall = (file: SettingsFile) =>
    Effect.map(
      readInstallations(home),
      ({ settings }): Installation => settings.find(({ path }) => path === file.path) ?? { ...file, ...neverEdited },
    )

  /** The file as it was before tooltrail, if the backup still holds exactly that. */
  const findOriginal = ({ path, before, backup }: Installation, token: string | undefined) =>
    Effect.gen(function* () {
      const kept = backup === null ? undefined : yield* attempt(path, () => readText(backup))
      if (kept === undefined || hashOf(kept) !== before) return Option.none()
      const { value } = yield* parse(path, kept)
      return findHandlers(value, token).length === 0 ? Option.some(kept) : Option.none()
    })

  return AgentSettings.of({
    agentFolder: Effect.map(claudeConfigFolder, (folder) =>
      stat(folder)?.isDirectory() === true ? Option.some(folder) : Option.none(),
    ),

    agentVersion: Effect.sync(() => {
      const { stdout } = spawnSync("claude", ["--version"], {
        // Windows looks in the current folder first, which may be anybody's.
        cwd: dirname(process.execPath),
        shell: process.platform === "win32",
        stdio: ["ignore", "pipe", "ignore"],
        timeout: VERSION_PATIENCE_MILLIS,
        encoding: "utf8",
      })
      return Option.fromNullable(/^\d+\.\d+\.\d+/.exec(stdout ?? "")?.[0])
    }),

    locate,

    everywhere: Effect.gen(function* () {
      // If the current folder is gone, there is no project.
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
      const { value } = yield* parse(path, content)
      const ownToken = yield* token
      const registered = describeRegistration(findHandlers(value, ownToken))
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
      const { mark, text, value } = yield* parse(file.path, content ?? "")
      const ownToken = registration.endpoint?.token ?? (yield* token)
      const changes = changesToRegister(value, registration, ownToken)
      const isChanged = changes.length > 0
      const after = mark + (text.trim() === "" ? `${changeJsonText("{}", changes)}\n` : changeJsonText(text, changes))
      const earlier = yield* recall(file)
      const continues = content !== undefined && earlier.after === hashOf(content)
      const backup =
        content === undefined || !isChanged || continues
          ? null
          : yield* attempt(file.path, () => backupPath(file.path, content))
      const hook = registration.command.args.at(-1) ?? null
      if (editMode === "write" && !isChanged) yield* rememberHook(hook)
      if (editMode === "write" && isChanged) {
        const made_folder = yield* attempt(file.path, () => mkdirSync(dirname(target), { recursive: true }) ?? null)
        const before = content === undefined ? null : hashOf(content)
        const withoutHooks = changeJsonText(text, changesToUnregister(value, ownToken, earlier.events_before))
        const events_before = listedEvents((yield* parse(file.path, withoutHooks)).value)
        const installation = continues ? earlier : { ...file, before, backup, made_folder, events_before }
        yield* remember({ ...installation, after: hashOf(after) }, hook)
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
      const ownToken = yield* token
      const before = Option.fromNullable(content)
      const settings = yield* parse(file.path, content ?? "")
      if (content === undefined || findHandlers(settings.value, ownToken).length === 0) {
        if (editMode === "write") yield* forget(file.path)
        return { file, before, after: before, backup: Option.none(), isExposed: false }
      }
      const earlier = yield* recall(file)
      const original = yield* findOriginal(earlier, ownToken)
      const after = decideRemoval(content, settings, ownToken, earlier, original)
      const isRestored = Option.isNone(after) || after.value === Option.getOrUndefined(original)
      if (editMode === "write") {
        yield* attempt(file.path, () => {
          checkUnchanged(target, content)
          if (Option.isSome(after)) replaceFile(target, after.value, FILE_MODE)
          else {
            rmSync(target)
            if (earlier.made_folder !== null) removeEmptyFolders(dirname(target), earlier.made_folder)
          }
          if (isRestored && earlier.backup !== null) rmSync(earlier.backup, { force: true })
        })
        yield* forget(file.path)
      }
      const backup = isRestored ? Option.none() : Option.fromNullable(earlier.backup)
      return { file, before, after, backup, isExposed: false }
    }),
  })
})

/** Settings files on disk. */
export const AgentSettingsFiles: Layer.Layer<AgentSettings, never, Home> = Layer.effect(AgentSettings, make)
