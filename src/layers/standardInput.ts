import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Standard input could not be read to the end of what is accepted. */
export class UnreadableInput extends Data.TaggedError("UnreadableInput")<{ readonly reason: string }> {
  override get message(): string {
    return `could not read standard input: ${this.reason}`
  }
}

export interface StandardInput {
  readonly bytes: Buffer
  /** False where the writer had not closed it when the time was up. */
  readonly closed: boolean
}

/** All of standard input, or what has come when `patience` is over. */
export const readStandardInput = (options: {
  readonly patience: Duration.DurationInput
  readonly limitBytes: number
}): Effect.Effect<StandardInput, UnreadableInput> =>
  Effect.suspend(() => {
    const chunks: Array<Buffer> = []
    let size = 0
    return Effect.async<StandardInput, UnreadableInput>((resume) => {
      const input = process.stdin
      input.on("data", (chunk: Buffer) => {
        size += chunk.length
        if (size <= options.limitBytes) return void chunks.push(chunk)
        input.destroy()
        resume(Effect.fail(new UnreadableInput({ reason: `it is longer than ${options.limitBytes} bytes` })))
      })
      input.on("end", () => resume(Effect.succeed({ bytes: Buffer.concat(chunks), closed: true })))
      input.on("error", (error) => resume(Effect.fail(new UnreadableInput({ reason: error.message }))))
    }).pipe(
      Effect.timeoutTo({
        duration: options.patience,
        onSuccess: (input) => input,
        onTimeout: () => ({ bytes: Buffer.concat(chunks), closed: false }),
      }),
      // An open pipe would keep the process alive.
      Effect.ensuring(Effect.sync(() => process.stdin.destroy())),
    )
  })
