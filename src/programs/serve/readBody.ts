import type { IncomingMessage } from "node:http"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

export class BodyTooLarge extends Data.TaggedError("BodyTooLarge")<{ readonly limitBytes: number }> {}

/** The client went away before its request was whole. */
export class BodyCutOff extends Data.TaggedError("BodyCutOff") {}

/** A client that is still sending reads no answer, so the rest is read and dropped for this long. */
const LINGER_MILLIS = 2000

const dropRest = (request: IncomingMessage) => {
  request.resume()
  setTimeout(() => {
    if (!request.complete) request.socket.destroy()
  }, LINGER_MILLIS).unref()
}

/** The whole body of a request. Of one that is longer than `limitBytes`, nothing is kept. */
export const readBody = (
  request: IncomingMessage,
  limitBytes: number,
): Effect.Effect<Buffer, BodyTooLarge | BodyCutOff> =>
  Effect.async((resume) => {
    let chunks: Array<Buffer> = []
    let size = 0
    const refuse = () => {
      chunks = []
      dropRest(request)
      resume(Effect.fail(new BodyTooLarge({ limitBytes })))
    }
    const cutOff = () => {
      if (!request.complete) resume(Effect.fail(new BodyCutOff()))
    }
    request.on("error", cutOff)
    request.on("close", cutOff)
    if (Number(request.headers["content-length"] ?? 0) > limitBytes) return refuse()
    request.on("data", (chunk: Buffer) => {
      if (size > limitBytes) return
      size += chunk.length
      if (size > limitBytes) refuse()
      else chunks.push(chunk)
    })
    request.on("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
  })
