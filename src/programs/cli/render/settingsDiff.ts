import { createTwoFilesPatch } from "diff"
import * as Option from "effect/Option"
import { printable } from "../../../domain/text.ts"
import type { SettingsEdit } from "../../../services/AgentSettings.ts"
import type { OutputStyle } from "./terminal.ts"

const CONTEXT_LINES = 3

export const isChange = ({ before, after }: SettingsEdit): boolean =>
  Option.getOrNull(before) !== Option.getOrNull(after)

/** A diff may end up in a log or a ticket. */
const withoutTokens = (content: string) => content.replace(/Bearer [0-9a-f]{64}/g, "Bearer …")

/** An edit as a unified diff, without tokens; empty if nothing changes. */
export const settingsDiff = ({ file, before, after }: SettingsEdit): string => {
  const [old, young] = [before, after].map((content) => withoutTokens(Option.getOrElse(content, () => "")))
  if (old === young && Option.isSome(before) === Option.isSome(after)) return ""
  const name = (content: Option.Option<string>) => (Option.isSome(content) ? file.path : "/dev/null")
  return createTwoFilesPatch(name(before), name(after), old ?? "", young ?? "", undefined, undefined, {
    context: CONTEXT_LINES,
    stripTrailingCr: true,
  }).replace(/^(Index: .*\n)?=+\n/, "")
}

const paintOf = (line: string, { colors }: OutputStyle) => {
  if (line.startsWith("+++") || line.startsWith("---")) return colors.bold
  if (line.startsWith("@@")) return colors.cyan
  return line.startsWith("+") ? colors.green : line.startsWith("-") ? colors.red : String
}

/** A diff for a terminal. */
export const renderDiff = (diff: string, style: OutputStyle): string =>
  diff
    .trimEnd()
    .split("\n")
    .map((line) => paintOf(line, style)(line.split("\t").map(printable).join("\t")))
    .join("\n")
