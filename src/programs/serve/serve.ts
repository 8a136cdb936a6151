import type { IncomingMessage, Server, ServerResponse } from "node:http"
import { Server as NetServer } from "node:net"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { PersistenceError } from "../../domain/StoreError.ts"
import { holdHomeLock } from "../../layers/files/lock.ts"
import { ProjectResolverLive, ProjectResolverRemembering } from "../../layers/files/ProjectResolverLive.ts"
import { tokenFile, tokenPath } from "../../layers/files/tokenFile.ts"
import { Home } from "../../services/Home.ts"
import { HookEnvironment } from "../record/HookEnvironment.ts"
import { type Answer, makeHookApp } from "./hookApp.ts"
import { makeRecorder } from "./recorder.ts"

/** The server cannot start. The message says why, on one line. */
export class CannotServe extends Data.TaggedError("CannotServe")<{ readonly message: string }> {}

const HOST = "127.0.0.1"

/** Clients reuse a connection after a pause, and lose a call if it is closed at that moment. */
const KEEP_ALIVE_MILLIS = 75_000
const REQUEST_MILLIS = 30_000

/** A request may be under way on a connection that looks idle. */
const GRACE = "100 millis"
const LONGEST_STOP = "10 seconds"

const start = (server: Server, port: number): Effect.Effect<number, CannotServe> =>
  Effect.async((resume) => {
    const fail = (error: NodeJS.ErrnoException) => {
      const reason = error.code === "EADDRINUSE" ? "the port is taken; choose another with --port" : error.message
      resume(Effect.fail(new CannotServe({ message: `could not listen on ${HOST}:${port}: ${reason}` })))
    }
    server.once("error", fail)
    server.listen(port, HOST, () => {
      server.off("error", fail)
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
    })
  })

/** Accepts no new connection, and ends when all requests are answered. */
const stop = (server: Server): Effect.Effect<void> =>
  Effect.gen(function* () {
    const closed = yield* Effect.fork(
      // An HTTP server's own close drops connections that look idle at once.
      Effect.async<void>((resume) => {
        NetServer.prototype.close.call(server, () => resume(Effect.void))
      }),
    )
    yield* Effect.sync(() => server.closeIdleConnections()).pipe(
      Effect.delay(GRACE),
      Effect.forever,
      Effect.raceFirst(Fiber.await(closed)),
      Effect.interruptible,
      Effect.timeout(LONGEST_STOP),
      Effect.catchAll(() => Effect.sync(() => server.closeAllConnections())),
    )
  })

/**
 * Serves on the loopback address until the scope closes. Returns the port: the system chooses one for port 0. It is
 * plain node:http, because a layer between would cost a quarter of a millisecond a request.
 */
const listen = <R>(
  requestedPort: number,
  makeApp: (port: number) => (request: IncomingMessage) => Effect.Effect<Answer, never, R>,
): Effect.Effect<number, CannotServe, Scope.Scope | R> =>
  Effect.gen(function* () {
    const runFork = Runtime.runFork(yield* Effect.runtime<R>())
    // The other commands must not wait for this module.
    const { createServer } = yield* Effect.promise(() => import("node:http"))
    const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MILLIS, requestTimeout: REQUEST_MILLIS })
    const running = new Set<Fiber.RuntimeFiber<void>>()
    let isStopping = false

    const write = (response: ServerResponse, { status, body, headers }: Answer) => {
      const text = JSON.stringify(body)
      response.writeHead(status, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(text),
        ...headers,
        ...(isStopping ? { connection: "close" } : {}),
      })
      response.end(text)
    }

    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        isStopping = true
        yield* stop(server)
        yield* Fiber.awaitAll(running)
      }),
    )
    const port = yield* start(server, requestedPort)
    const app = makeApp(port)
    server.on("request", (request: IncomingMessage, response: ServerResponse) => {
      const fiber = runFork(Effect.map(app(request), (answer) => write(response, answer)))
      running.add(fiber)
      fiber.addObserver(() => running.delete(fiber))
    })
    return port
  })

const Resolver = Layer.provide(
  ProjectResolverRemembering({ capacity: 1000, timeToLive: "10 seconds" }),
  ProjectResolverLive,
)

const serving = (port: number) =>
  Effect.gen(function* () {
    const home = yield* Home
    yield* holdHomeLock("serve").pipe(
      Effect.catchTag(
        "LockHeld",
        () => new CannotServe({ message: `tooltrail serve is already running for ${home.directory}` }),
      ),
    )
    const token = yield* tokenFile(tokenPath(home))
    const recorder = yield* makeRecorder
    const actualPort = yield* listen(port, (port) => makeHookApp(port, token, recorder))
    yield* Effect.logInfo(`listening on http://127.0.0.1:${actualPort}/hook; the bearer token is in ${tokenPath(home)}`)
    return yield* Effect.never
  })

/** Records what agents post, until it is interrupted. Port 0 means any free one. */
export const serve = (port: number): Effect.Effect<never, CannotServe | PersistenceError> =>
  serving(port).pipe(
    Effect.scoped,
    Effect.provide(Layer.provideMerge(Resolver, HookEnvironment)),
    // Nobody collects the spans, and they are a large part of what a call costs.
    Effect.withTracerEnabled(false),
  )
