import * as Cause from "effect/Cause"
import type * as Logger from "effect/Logger"
import { printable } from "../../domain/text.ts"

const LONGEST_LINE = 2000

const textOf = (part: unknown): string =>
  typeof part === "string" ? part : part instanceof Error ? part.message : JSON.stringify(part)

/** One log entry as one line, whatever its message holds. */
export const logLine = ({ cause, message }: Pick<Logger.Logger.Options<unknown>, "cause" | "message">): string => {
  const parts = (Array.isArray(message) ? message : [message]).map(textOf)
  if (!Cause.isEmpty(cause))
    parts.push(
      Cause.prettyErrors(cause)
        .map((error) => error.message)
        .join("; "),
    )
  return printable(parts.join(": ")).slice(0, LONGEST_LINE)
}
