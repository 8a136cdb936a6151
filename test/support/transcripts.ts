import { mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

/** The two real sessions: 37 calls, two of which the user refused. */
export const realTranscripts: string = join(import.meta.dirname, "..", "fixtures", "claude-code-transcripts")

export interface EntryFields {
  readonly sessionId?: string | null
  readonly cwd?: string
  readonly millis?: number
  readonly more?: Record<string, unknown>
}

const entry = (type: string, content: unknown, { sessionId = "s1", cwd, millis = 0, more }: EntryFields = {}) =>
  JSON.stringify({
    isSidechain: false,
    ...(cwd === undefined ? {} : { cwd }),
    ...(sessionId === null ? {} : { sessionId }),
    type,
    message: { role: type, content },
    timestamp: new Date(millis).toISOString(),
    ...more,
  })

/** An entry in which the agent asks for a call. */
export const callLine = (id: string, fields: EntryFields & { readonly name?: string; readonly input?: object } = {}) =>
  entry("assistant", [{ type: "tool_use", id, name: fields.name ?? "Bash", input: fields.input ?? {} }], fields)

/** An entry that holds a call's result. */
export const resultLine = (
  id: string,
  fields: EntryFields & { readonly content?: unknown; readonly isError?: boolean } = {},
) =>
  entry(
    "user",
    [
      {
        tool_use_id: id,
        type: "tool_result",
        content: fields.content ?? "done",
        ...(fields.isError === undefined ? {} : { is_error: fields.isError }),
      },
    ],
    fields,
  )

export const textLine = (text: string, fields: EntryFields = {}) => entry("user", text, fields)

/** A call and its result. */
export const finishedCall = (
  id: string,
  fields: EntryFields & { readonly name?: string } = {},
): ReadonlyArray<string> => [callLine(id, fields), resultLine(id, { ...fields, millis: (fields.millis ?? 0) + 1500 })]

export const writeLines = (path: string, lines: ReadonlyArray<string>): string => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""))
  return path
}
