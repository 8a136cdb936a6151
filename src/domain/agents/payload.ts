import * as Option from "effect/Option"

export type JsonObject = Readonly<Record<string, unknown>>

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Longer texts are no names or ids. */
export const LONGEST_TEXT = 1024
export const LONGEST_PATH = 4096
/** A year. Of such durations SQLite can add up more than there are calls: a sum beyond its integers would be an error. */
export const LONGEST_DURATION_MILLIS = 366 * 86_400_000

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/

/** What keeps a value from being a name, an id or a path; nothing where it is one. */
export const textProblem = (value: unknown, longest: number): string | undefined => {
  if (typeof value !== "string") return `is ${value === undefined ? "missing" : "not a text"}`
  if (value === "") return "is empty"
  if (value.length > longest) return `is ${value.length} characters long, at most ${longest} are accepted`
  return controlCharacter.test(value) ? "holds a control character" : undefined
}

/** Reads the optional fields of one object; what is there but unusable is noted and read as null. */
export class OptionalFields {
  readonly unusable: Array<string> = []

  text(from: JsonObject, field: string, longest: number = LONGEST_TEXT): string | null {
    const value = from[field]
    if (value === undefined || value === null || value === "") return null
    if (textProblem(value, longest) === undefined) return (value as string).toWellFormed()
    this.unusable.push(field)
    return null
  }

  wholeMillis(from: JsonObject, field: string): number | null {
    const value = from[field]
    if (value === undefined || value === null) return null
    if (typeof value === "number" && value >= 0 && value <= LONGEST_DURATION_MILLIS) return Math.round(value)
    this.unusable.push(field)
    return null
  }

  object(from: JsonObject, field: string): JsonObject {
    const value = from[field]
    if (isObject(value)) return value
    if (value !== undefined && value !== null) this.unusable.push(field)
    return {}
  }
}

const generic: ReadonlySet<unknown> = new Set(["Agent", "Task", "Skill"])

/** Whether something is looked at in this tool's input. */
export const hasTarget = (toolName: unknown): boolean => generic.has(toolName)

/** The one thing that is looked at in a tool's input: which skill or subagent a generic tool ran. */
export const targetOf = (
  toolName: string,
  from: JsonObject,
  inputField: string,
  fields: OptionalFields,
): string | null => {
  if (toolName === "Agent" || toolName === "Task") return fields.text(fields.object(from, inputField), "subagent_type")
  if (toolName !== "Skill") return null
  const input = fields.object(from, inputField)
  return fields.text(input, "skill") ?? fields.text(input, "command")
}

const encoder = new TextEncoder()

const lengthInUtf8 = (text: string): number => encoder.encode(text).length

/** None if the value is nested too deep. */
const stringify = Option.liftThrowable((value: unknown) => JSON.stringify(value))

/** How long a value is as JSON in UTF-8, in bytes; null if there is none, or if it is nested too deep. */
export const jsonBytes = (value: unknown): number | null =>
  value === undefined ? null : Option.match(stringify(value), { onNone: () => null, onSome: lengthInUtf8 })

/** How an error begins that the agent writes if the user would not have the call. */
const refusals = [
  "The user doesn't want to proceed with this tool use",
  "The user doesn't want to take this action right now",
  "[Request interrupted by user for tool use]",
]

/** How an error begins that the agent writes for a call that never ran, because another of the same message failed. */
const cancellations = ["<tool_use_error>Sibling tool call errored", "<tool_use_error>Cancelled: parallel tool call"]

/** Whose fault a failed call is, by the beginning of its error. */
export const failureKindOf = (error: unknown): "error" | "interrupted" | "cancelled" => {
  const text = typeof error === "string" ? error.trimStart() : ""
  if (cancellations.some((beginning) => text.startsWith(beginning))) return "cancelled"
  return refusals.some((beginning) => text.startsWith(beginning)) ? "interrupted" : "error"
}
