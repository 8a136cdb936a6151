import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { Registered, Registration, UnusableSettings } from "../domain/agents/claudeCodeSettings.ts"
import type { PersistenceError } from "../domain/StoreError.ts"

/** `user`: all of the user's projects. `project`: this project, for its whole team. `local`: this project, for this user. */
export const settingsScopes = ["user", "project", "local"] as const

export type SettingsScope = (typeof settingsScopes)[number]

export interface SettingsFile {
  readonly scope: SettingsScope
  readonly path: string
}

/** What a settings file says about tooltrail. */
export interface SettingsContent {
  readonly registered: Option.Option<Registered>
  /** Files of the registered command that do not exist. */
  readonly missingFiles: ReadonlyArray<string>
  /** The registered token is the one that this home's server accepts. */
  readonly hasOwnToken: boolean
  /** tooltrail's plugin, by the names under which it is enabled. */
  readonly plugins: ReadonlyArray<string>
  readonly areHooksDisabled: boolean
}

/** An edit that was made, or would be. A content is none if there is no file. */
export interface SettingsEdit {
  readonly file: SettingsFile
  readonly before: Option.Option<string>
  readonly after: Option.Option<string>
  /** A copy of the file as it was before. */
  readonly backup: Option.Option<string>
  /** The file holds a secret now, and others may read it. */
  readonly isExposed: boolean
}

/** Whether to show an edit or to make it. */
export type EditMode = "preview" | "write"

/** The settings files of Claude Code, edited in place. */
export class AgentSettings extends Context.Tag("tooltrail/services/AgentSettings")<
  AgentSettings,
  {
    /** The agent's own folder, if it exists. */
    readonly agentFolder: Effect.Effect<Option.Option<string>, PersistenceError>
    /** The installed agent's version, such as 2.1.330. None if it does not answer. */
    readonly agentVersion: Effect.Effect<Option.Option<string>>
    /** The file of a scope, for the current folder's project. It may not exist. */
    readonly locate: (scope: SettingsScope) => Effect.Effect<SettingsFile, PersistenceError>
    /** The files of all scopes here, and others where `register` put the hook and it still is. */
    readonly everywhere: Effect.Effect<ReadonlyArray<SettingsFile>, PersistenceError>
    /** None if there is no file. */
    readonly read: (path: string) => Effect.Effect<Option.Option<SettingsContent>, UnusableSettings>
    /** Makes this the file's only registration of tooltrail. */
    readonly register: (
      file: SettingsFile,
      registration: Registration,
      mode: EditMode,
    ) => Effect.Effect<SettingsEdit, UnusableSettings | PersistenceError>
    /** Undoes `register`, byte for byte if nothing else has changed since. */
    readonly unregister: (
      file: SettingsFile,
      mode: EditMode,
    ) => Effect.Effect<SettingsEdit, UnusableSettings | PersistenceError>
  }
>() {}
