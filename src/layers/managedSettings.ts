import { readdirSync } from "node:fs"
import { join } from "node:path"

/** Where an organisation puts settings for all who use Claude Code on a machine. Source: https://code.claude.com/docs/en/settings. */
export const managedFolder = (platform: NodeJS.Platform): string => {
  if (platform === "darwin") return "/Library/Application Support/ClaudeCode"
  return platform === "win32" ? "C:\\Program Files\\ClaudeCode" : "/etc/claude-code"
}

/** The settings files of that folder: one that need not be there, and those beside it that go on from it. */
export const managedSettings = (folder: string): ReadonlyArray<string> => {
  const dropIns = join(folder, "managed-settings.d")
  return [join(folder, "managed-settings.json"), ...listJson(dropIns).map((name) => join(dropIns, name))]
}

const listJson = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json") && !name.startsWith("."))
      .sort()
  } catch {
    // Mostly it is not there; what cannot be read says nothing, to Claude Code as well.
    return []
  }
}
