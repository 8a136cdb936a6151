import { isUtf8 } from "node:buffer"
import { timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { ProjectResolver } from "../../services/ProjectResolver.ts"
import { receiveFrom } from "../record/receiveHookEvent.ts"
import { startReconcile } from "../record/startReconcile.ts"
import type { Recorder } from "./recorder.ts"

export class BodyTooLarge extends Data.TaggedError("BodyTooLarge")<{ readonly limitBytes: number }> {}

/** The client went away before its request was complete. */
export class BodyCutOff extends Data.TaggedError("BodyCutOff") {}

/** A client reads the answer only when it has sent everything, so the rest is read and dropped for this long. */
const LINGER_MILLIS = 2000

const dropRest = (request: IncomingMessage) => {
  request.resume()
  setTimeout(() => {
    if (!request.complete) request.socket.destroy()
  }, LINGER_MILLIS).unref()
}

/** The whole body of a request. Nothing is kept of one that is larger than `limitBytes`. */
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

const isLoopback = (host: string | undefined, port: number) =>
  host !== undefined && [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`].includes(host.toLowerCase())

const isAuthorized = (authorization: string | undefined, token: Buffer) => {
  const given = Buffer.from(/^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1] ?? "")
  return given.length === token.length && timingSafeEqual(given, token)
}

const takeCall = (request: IncomingMessage, recorder: Recorder): Effect.Effect<Answer, never, ProjectResolver> =>
  Effect.gen(function* () {
    const bytes = yield* readBody(request, LARGEST_BODY_BYTES)
    if (!isUtf8(bytes)) yield* Effect.logWarning("the payload is not UTF-8")
    // The server's own environment says nothing about its clients.
    const event = yield* receiveFrom(bytes.toString("utf8"), {})
    if (event._tag === "SessionBoundary") yield* startReconcile
    if (event._tag !== "ToolUsed") return accepted
    const outcome = yield* recorder.record(event.use)
    return outcome === "lost" ? refuse(503, "neither the store nor the spool can be written") : accepted
  }).pipe(
    Effect.catchTags({
      BodyTooLarge: ({ limitBytes }) => Effect.succeed(refuse(413, `the body is larger than ${limitBytes} bytes`)),
      BodyCutOff: () => Effect.succeed(refuse(400, "the body is cut off")),
      UndecodablePayload: ({ message }) => Effect.as(Effect.logWarning(message), refuse(400, message)),
    }),
  )

export interface HookAppOptions {
  readonly port: number
  readonly token: string
  readonly recorder: Recorder
}

/**
 * `POST /hook` records the call in the body, `GET /health` says that the server is alive. Both need the token and a Host
 * header that names this machine: another name may have been made to point here (DNS rebinding).
 */
export const makeHookApp = ({ port, token, recorder }: HookAppOptions) => {
  const tokenBytes = Buffer.from(token)

  const routes: Record<
    string,
    {
      readonly method: string
      readonly answer: (request: IncomingMessage) => Effect.Effect<Answer, never, ProjectResolver>
    }
  > = {
    "/hook": { method: "POST", answer: (request) => takeCall(request, recorder) },
    "/health": {
      method: "GET",
      answer: () =>
        Effect.map(recorder.isStoreAvailable, (isAvailable) => ({
          status: 200,
          body: { status: "ok", store: isAvailable ? "available" : "unavailable" },
        })),
    },
  }

  return (request: IncomingMessage): Effect.Effect<Answer, never, ProjectResolver> => {
    if (!isLoopback(request.headers.host, port)) {
      return Effect.succeed(refuse(403, "the Host header does not name this machine"))
    }
    if (!isAuthorized(request.headers.authorization, tokenBytes)) {
      return Effect.succeed(refuse(401, "the bearer token is missing or wrong", { "www-authenticate": "Bearer" }))
    }
    const path = (request.url ?? "").split("?")[0] ?? ""
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined
    if (route === undefined) return Effect.succeed(refuse(404, "only /hook and /health exist"))
    if (request.method !== route.method) {
      return Effect.succeed(refuse(405, `${path} only takes ${route.method}`, { allow: route.method }))
    }
    return Effect.catchAllCause(route.answer(request), (cause) =>
      Effect.as(Effect.logError("a request failed", cause), refuse(500, "the server failed; see its log")),
    )
  }
}
