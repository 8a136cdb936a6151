import { isUtf8 } from "node:buffer"
import { timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import * as Effect from "effect/Effect"
import type { ProjectResolver } from "../../services/ProjectResolver.ts"
import { receiveFrom } from "../record/receiveHookEvent.ts"
import { startReconcile } from "../record/startReconcile.ts"
import type { Recorder } from "./recorder.ts"

const LARGEST_BODY_BYTES = 16 * 1024 * 1024

export interface Answer {
  readonly status: number
  /** A JSON value. */
  readonly body: object
  readonly headers?: Readonly<Record<string, string>>
}

const refuse = (status: number, error: string, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  body: { error },
  headers,
})

/** To an agent, an empty object says that the hook has no opinion. */
const accepted: Answer = { status: 200, body: {} }

/** A client reads the answer only when it has sent everything, so the rest is read and dropped for this long. */
const LINGER_MILLIS = 2000

const dropRest = (request: IncomingMessage) => {
  request.resume()
  setTimeout(() => {
    if (!request.complete) request.socket.destroy()
  }, LINGER_MILLIS).unref()
}

/** The whole body of a request, else what to answer. Nothing is kept of one that is too large. */
const readBody = (request: IncomingMessage): Effect.Effect<Buffer, Answer> =>
  Effect.async((resume) => {
    let chunks: Array<Buffer> = []
    let size = 0
    const stop = () => {
      chunks = []
      dropRest(request)
      resume(Effect.fail(refuse(413, `the body is larger than ${LARGEST_BODY_BYTES} bytes`)))
    }
    const cutOff = () => {
      // The client went away before its request was complete.
      if (!request.complete) resume(Effect.fail(refuse(400, "the body is cut off")))
    }
    request.on("error", cutOff)
    request.on("close", cutOff)
    if (Number(request.headers["content-length"] ?? 0) > LARGEST_BODY_BYTES) return stop()
    request.on("data", (chunk: Buffer) => {
      if (size > LARGEST_BODY_BYTES) return
      size += chunk.length
      if (size > LARGEST_BODY_BYTES) stop()
      else chunks.push(chunk)
    })
    request.on("end", () => resume(Effect.succeed(Buffer.concat(chunks))))
  })

const isLoopback = (host: string | undefined, port: number) =>
  host !== undefined && [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(host.toLowerCase())

const isAuthorized = (authorization: string | undefined, token: Buffer) => {
  const given = Buffer.from(/^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "")
  return given.length === token.length && timingSafeEqual(given, token)
}

const takeCall = (request: IncomingMessage, recorder: Recorder): Effect.Effect<Answer, never, ProjectResolver> =>
  Effect.gen(function* () {
    const bytes = yield* readBody(request)
    if (!isUtf8(bytes)) yield* Effect.logWarning("the payload is not UTF-8")
    // The server's own environment says nothing about its clients.
    const event = yield* receiveFrom(bytes.toString("utf8"), {})
    if (event._tag === "SessionBoundary") yield* startReconcile
    if (event._tag !== "ToolUsed") return accepted
    const outcome = yield* recorder.record(event.use)
    return outcome === "lost" ? refuse(503, "neither the store nor the spool can be written") : accepted
  }).pipe(
    Effect.catchTag("UndecodablePayload", ({ message }) => Effect.as(Effect.logWarning(message), refuse(400, message))),
    Effect.merge,
  )

/**
 * `POST /hook` records the call in the body, `GET /health` says that the server is alive. Both need the token and a Host
 * header that names this machine: another name may have been made to point here (DNS rebinding).
 */
export const makeHookApp = (port: number, token: string, recorder: Recorder) => {
  const tokenBytes = Buffer.from(token)

  const health = Effect.map(recorder.isStoreAvailable, (isAvailable) => ({
    status: 200,
    body: { status: "ok", store: isAvailable ? "available" : "unavailable" },
  }))

  return (request: IncomingMessage): Effect.Effect<Answer, never, ProjectResolver> => {
    if (!isLoopback(request.headers.host, port)) {
      return Effect.succeed(refuse(403, "the Host header does not name this machine"))
    }
    if (!isAuthorized(request.headers.authorization, tokenBytes)) {
      return Effect.succeed(refuse(401, "the bearer token is missing or wrong", { "www-authenticate": "Bearer" }))
    }
    const path = (request.url ?? "").split("?")[0] ?? ""
    const method = path === "/hook" ? "POST" : path === "/health" ? "GET" : undefined
    if (method === undefined) return Effect.succeed(refuse(404, "only /hook and /health exist"))
    if (request.method !== method) return Effect.succeed(refuse(405, `${path} only takes ${method}`, { allow: method }))
    return Effect.catchAllCause(path === "/hook" ? takeCall(request, recorder) : health, (cause) =>
      Effect.as(Effect.logError("a request failed", cause), refuse(500, "the server failed; see its log")),
    )
  }
}
