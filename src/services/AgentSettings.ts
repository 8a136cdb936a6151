import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Registered, Registration } from "../domain/agents/claudeCodeSettings.ts"
import type { UnusableSettings } from "../domain/agents/UnusableSettings.ts"
import type { PersistenceError } from "../domain/StoreError.ts"

/** `user`: everywhere. `project`: this project, for all who work on it. `local`: this project, for this person. */
export const settingsScopes = ["user", "project", "local"] as const

export type SettingsScope = (typeof settingsScopes)[number]

export interface SettingsFile {
  readonly scope: SettingsScope
  readonly path: string
}

/** What a settings file says that concerns tooltrail. */
export interface SettingsContent {
  readonly registered: Option.Option<Registered>
  /** Of the registered command, the files that are not there. */
  readonly missingFiles: ReadonlyArray<string>
  /** The registered token is the one that this home's server takes. */
  readonly hasOwnToken: boolean
  /** The names under which its plugin is enabled. */
  readonly plugins: ReadonlyArray<string>
  readonly areHooksDisabled: boolean
}

/** An edit that was made, or would be. A content is none where there is no file. */
export interface SettingsEdit {
  readonly file: SettingsFile
  readonly before: Option.Option<string>
  readonly after: Option.Option<string>
  /** Where the file is kept as it was before. */
  readonly backup: Option.Option<string>
  /** The file holds a secret now, and others may read it. */
  readonly isExposed: boolean
}

/** Only tells of an edit, or makes it. */
export type EditMode = "preview" | "write"

/** The settings files of Claude Code, edited in place. */
export class AgentSettings extends Context.Tag("tooltrail/services/AgentSettings")<
  AgentSettings,
  {
    /** The agent's own folder, where it is there. */
    readonly agentFolder: Effect.Effect<Option.Option<string>, PersistenceError>
    /** The file of a scope, of the current folder's project. It need not be there. */
    readonly locate: (scope: SettingsScope) => Effect.Effect<SettingsFile, PersistenceError>
    /** The files of all scopes here, and those elsewhere that were edited by `register` and not yet by `unregister`. */
    readonly everywhere: Effect.Effect<ReadonlyArray<SettingsFile>, PersistenceError>
    /** None where there is no file. */
    readonly read: (path: string) => Effect.Effect<Option.Option<SettingsContent>, UnusableSettings>
    /** Has the file hold this registration and no other of tooltrail's. Changes nothing where it does. */
    readonly register: (
      file: SettingsFile,
      registration: Registration,
      mode: EditMode,
    ) => Effect.Effect<SettingsEdit, UnusableSettings | PersistenceError>
    /** Takes out what `register` put in; byte for byte, where nothing else changed since. */
    readonly unregister: (
      file: SettingsFile,
      mode: EditMode,
    ) => Effect.Effect<SettingsEdit, UnusableSettings | PersistenceError>
  }
>() {}
