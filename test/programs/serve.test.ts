import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs"
import { Agent, type OutgoingHttpHeaders, request } from "node:http"
import { createServer } from "node:net"
import { join } from "node:path"
import { afterEach, assert, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { projectFromRoot } from "../../src/domain/projectFromRoot.ts"
import type { Timestamp } from "../../src/domain/Timestamp.ts"
import { ProjectResolverRemembering } from "../../src/layers/files/ProjectResolverLive.ts"
import { makeServedStore } from "../../src/programs/serve/servedStore.ts"
import { ProjectResolver } from "../../src/services/ProjectResolver.ts"
import { Projects } from "../../src/services/Projects.ts"
import { homeAt } from "../support/home.ts"
import {
  lines,
  realPayloads,
  runCli,
  runHook,
  type ServerProcess,
  startServer,
  temporaryFolder,
} from "../support/processes.ts"
import { changeStore, readStore, totals } from "../support/store.ts"

const servers: Array<ServerProcess> = []
afterEach(() => Promise.all(servers.splice(0).map((server) => server.end("SIGKILL"))))

const serve = async (home: string, env?: Record<string, string>): Promise<ServerProcess> => {
  const server = await startServer(home, env)
  servers.push(server)
  return server
}

const freshHome = () => join(temporaryFolder(), "home")

const payload = (id: string, fields: object = {}): string =>
  JSON.stringify({
    hook_event_name: "PostToolUse",
    tool_name: "Bash",
    tool_use_id: id,
    session_id: "s",
    cwd: "/nowhere",
    ...fields,
  })

interface Sending {
  readonly method?: string
  readonly path?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Buffer
  readonly agent?: Agent
}

interface Answered {
  readonly status: number | undefined
  readonly body: string
  readonly headers: Record<string, unknown>
}

const send = (server: ServerProcess, sending: Sending = {}): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const call = request(
      {
        host: "127.0.0.1",
        port: server.port,
        path: sending.path ?? "/hook",
        method: sending.method ?? "POST",
        agent: sending.agent,
        headers: { authorization: `Bearer ${server.token}`, ...sending.headers },
      },
      (response) => {
        let body = ""
        response.setEncoding("utf8").on("data", (text: string) => (body += text))
        response.on("end", () => resolve({ status: response.statusCode, body, headers: response.headers }))
      },
    )
    call.on("error", reject)
    call.end(sending.body)
  })

const post = (server: ServerProcess, body: string | Buffer, agent?: Agent) =>
  send(server, { body, ...(agent === undefined ? {} : { agent }) })

/** Looks again until it holds; the test's time limit bounds it. */
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((again) => setTimeout(again, 20))
}

const accepts = async (answered: Promise<Answered>) => {
  const { status, body } = await answered
  assert.deepStrictEqual([status, body], [200, "{}"])
}

const refuses = async (answered: Promise<Answered>, status: number) => {
  const answer = await answered
  assert.strictEqual(answer.status, status, answer.body)
  assert.lengthOf(lines(answer.body), 1)
  assert.isString((JSON.parse(answer.body) as { error: unknown }).error)
  return answer
}

const spooled = (home: string) =>
  existsSync(join(home, "spool")) ? readdirSync(join(home, "spool")).filter((name) => name.endsWith(".json")) : []

describe("the built server", () => {
  it("records what Claude Code really sends, and answers with an empty object", async () => {
    const home = freshHome()
    const server = await serve(home)
    for (const line of realPayloads) await accepts(post(server, line))
    for (const line of realPayloads) await accepts(post(server, line))
    await accepts(post(server, JSON.stringify({ hook_event_name: "Stop" })))
    assert.deepStrictEqual(totals(home), { events: 5, successes: 3, aggregate: 5 })
    assert.lengthOf(lines(server.stderr()), 1)
  })

  it("stores a call before it answers: what was answered is there after SIGKILL", async () => {
    const home = freshHome()
    for (let round = 1; round <= 3; round++) {
      const server = await serve(home)
      await accepts(post(server, payload(`toolu_${round}`)))
      await server.end("SIGKILL")
      assert.deepStrictEqual(totals(home), { events: round, successes: round, aggregate: round })
    }
  })

  it("takes the project from the payload alone, and the agent as well", async () => {
    const home = freshHome()
    const server = await serve(home, { CLAUDE_PROJECT_DIR: "/the/server", GEMINI_SESSION_ID: "g" })
    await accepts(post(server, payload("toolu_1", { cwd: "/the/project" })))
    await accepts(post(server, payload("2", { cwd: "" })))
    readStore(home, (all) => {
      assert.deepStrictEqual(all("SELECT root FROM projects"), [{ root: "/the/project" }])
      assert.deepStrictEqual(all("SELECT project_hash, agent FROM tool_usage_events ORDER BY id"), [
        { project_hash: projectFromRoot("/the/project").hash, agent: "claude-code" },
        { project_hash: null, agent: "unknown" },
      ])
    })
  })

  it("keeps a token for its owner only, and lets nobody in without it", async () => {
    const home = freshHome()
    const server = await serve(home)
    assert.match(server.token, /^[0-9a-f]{64}$/)
    assert.strictEqual(statSync(home).mode & 0o777, 0o700)
    for (const file of ["serve.token", "serve.lock", "tooltrail.db"]) {
      assert.strictEqual(statSync(join(home, file)).mode & 0o777, 0o600, file)
    }
    assert.notInclude(server.stderr(), server.token)
    for (const path of ["/hook", "/health", "/nothing"]) {
      const wrong = ["", "Bearer", `Bearer ${"0".repeat(64)}`, `Basic ${server.token}`, `Bearer ${server.token}0`]
      for (const authorization of wrong) {
        await refuses(send(server, { path, headers: { authorization }, body: payload("1") }), 401)
      }
    }
    assert.strictEqual(totals(home).events, 0)
    await server.end("SIGTERM")
    chmodSync(join(home, "serve.token"), 0o644)
    const next = await serve(home)
    assert.strictEqual(next.token, server.token)
    assert.strictEqual(statSync(join(home, "serve.token")).mode & 0o777, 0o600)
    assert.include(next.stderr(), "others could read")
  })

  it("answers only requests for this machine's name", async () => {
    const server = await serve(freshHome())
    for (const host of ["127.0.0.1", "localhost", "[::1]", "LocalHost"]) {
      const answer = await send(server, { path: "/health", method: "GET", headers: { host: `${host}:${server.port}` } })
      assert.deepStrictEqual(JSON.parse(answer.body), { status: "ok", store: "available" })
    }
    for (const host of [
      `evil.example:${server.port}`,
      "127.0.0.1",
      "localhost:1",
      `127.0.0.1.evil.example:${server.port}`,
    ]) {
      await refuses(send(server, { headers: { host }, body: payload("1") }), 403)
    }
  })

  it("refuses other methods, other paths, and what it cannot read, which it never quotes", async () => {
    const home = freshHome()
    const server = await serve(home)
    for (const method of ["GET", "PUT", "DELETE", "OPTIONS"]) {
      assert.strictEqual((await refuses(send(server, { method }), 405)).headers.allow, "POST")
    }
    await refuses(send(server, { path: "/health" }), 405)
    for (const path of ["/", "/hook/", "/constructor", "/Hook"]) await refuses(send(server, { path }), 404)
    for (const body of ["", "top secret", '{"top secret"', "[]", payload("1", { tool_name: ["top secret"] })]) {
      assert.notInclude((await refuses(post(server, body), 400)).body, "secret")
    }
    assert.notInclude(server.stderr(), "secret")
    assert.strictEqual(totals(home).events, 0)
  })

  it("takes a body of 16 MB and refuses a longer one, announced or not, without keeping it", async () => {
    const home = freshHome()
    const server = await serve(home)
    const limit = 16 * 1024 * 1024
    const whole = payload("1", { tool_response: "x".repeat(limit - payload("1", { tool_response: "" }).length) })
    assert.lengthOf(whole, limit)
    await accepts(post(server, whole))
    await refuses(post(server, `${whole} `), 413)
    await refuses(send(server, { body: `${whole} `, headers: { "transfer-encoding": "chunked" } }), 413)
    const resident = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]) / 1024
    const before = process.platform === "linux" ? resident() : 0
    await refuses(send(server, { body: Buffer.alloc(150_000_000), headers: { "transfer-encoding": "chunked" } }), 413)
    if (process.platform === "linux") assert.isBelow(resident() - before, 100)
    assert.strictEqual(totals(home).events, 1)
  })

  it.each(["SIGTERM", "SIGINT"] as const)("answers what is in flight on %s, and exits 0", async (signal) => {
    const home = freshHome()
    const server = await serve(home)
    const agents = Array.from({ length: 8 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
    await Promise.all(agents.map((agent, n) => accepts(post(server, payload(`warm_${n}`), agent))))
    const inFlight = agents.map((agent, n) => accepts(post(server, payload(`toolu_${n}`), agent)))
    // One whose second half comes only after the signal.
    const late = payload("late")
    const half = await new Promise<{ readonly rest: () => void; readonly answered: Promise<number | undefined> }>(
      (resolve) => {
        const call = request({
          host: "127.0.0.1",
          port: server.port,
          path: "/hook",
          method: "POST",
          headers: {
            authorization: `Bearer ${server.token}`,
            "content-length": late.length,
            expect: "100-continue",
          },
        })
        const answered = new Promise<number | undefined>((answer, reject) => {
          call.on("response", (response) => answer(response.resume().statusCode))
          call.on("error", reject)
        })
        call.on("continue", () => {
          call.write(late.slice(0, 10))
          resolve({ rest: () => call.end(late.slice(10)), answered })
        })
        call.flushHeaders()
      },
    )
    const ended = server.end(signal)
    const refused = () =>
      new Promise<boolean>((resolve) => {
        const probe = request({ host: "127.0.0.1", port: server.port, agent: false }, () => resolve(false))
        probe.on("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"))
        probe.end()
      })
    while (!(await refused())) {}
    half.rest()
    assert.strictEqual(await half.answered, 200)
    await Promise.all(inFlight)
    assert.deepStrictEqual(await ended, { code: 0, stdout: "" })
    // A store that is closed has none; one that was left open has.
    assert.isFalse(existsSync(join(home, "tooltrail.db-wal")))
    assert.deepStrictEqual(totals(home), { events: 17, successes: 17, aggregate: 17 })
    for (const agent of agents) agent.destroy()
  })

  it("refuses to start twice on one home, until the first has died", async () => {
    const home = freshHome()
    const server = await serve(home)
    const second = await runCli(home, ["serve", "--port", "0"])
    assert.deepStrictEqual([second.code, second.stdout, lines(second.stderr).length], [1, "", 1])
    assert.include(second.stderr, `tooltrail serve is already running for ${home}`)
    await accepts(post(server, payload("1")))
    await server.end("SIGKILL")
    await accepts(post(await serve(home), payload("2")))
  })

  it.each<[string, string]>([
    ["70000", "must be a whole number from 0 to 65535"],
    ["x", "must be a whole number from 0 to 65535"],
  ])("says in one line that %s is no port", async (port, trouble) => {
    const { code, stderr } = await runCli(freshHome(), ["serve", "--port", port])
    assert.deepStrictEqual([code, lines(stderr).length], [1, 1])
    assert.include(stderr, trouble)
  })

  it("says in one line why it cannot start: the port is taken, the token is none, the home is a file", async () => {
    const taken = createServer()
    const port = await new Promise<number>((resolve) =>
      taken.listen(0, "127.0.0.1", () => resolve((taken.address() as { port: number }).port)),
    )
    const noToken = temporaryFolder()
    writeFileSync(join(noToken, "serve.token"), "", { mode: 0o600 })
    const file = join(temporaryFolder(), "file")
    writeFileSync(file, "")
    for (const [home, given, trouble] of [
      [freshHome(), port, "the port is taken"],
      [noToken, 0, "it is not 64 hex digits"],
      [file, 0, "could not make the folder"],
    ] as const) {
      const { code, stdout, stderr } = await runCli(home, ["serve", "--port", String(given)])
      assert.deepStrictEqual([code, stdout, lines(stderr).length], [1, "", 1], stderr)
      assert.include(stderr, trouble)
    }
    taken.close()
  })
})

describe("the built server and a store in trouble", () => {
  it("keeps calls in the spool while the store is locked, and stores them when it is not", async () => {
    const home = freshHome()
    const server = await serve(home)
    await accepts(post(server, payload("0")))
    const writer = new Database(join(home, "tooltrail.db"))
    writer.exec("BEGIN IMMEDIATE")
    await Promise.all(Array.from({ length: 20 }, (_, n) => accepts(post(server, payload(`locked_${n}`)))))
    assert.lengthOf(spooled(home), 20)
    const health = await send(server, { path: "/health", method: "GET" })
    assert.deepStrictEqual(JSON.parse(health.body), { status: "ok", store: "unavailable" })
    writer.exec("COMMIT")
    writer.close()
    await until(() => spooled(home).length === 0)
    assert.deepStrictEqual(totals(home), { events: 21, successes: 21, aggregate: 21 })
    await accepts(post(server, payload("1")))
    assert.strictEqual(totals(home).events, 22)
  })

  it("stores at its start what is in the spool", async () => {
    const home = freshHome()
    await runHook(home, payload("0"))
    changeStore(home, "INSERT INTO tooltrail_migrations (migration_id, name) VALUES (999, 'x')")
    await runHook(home, payload("1"))
    assert.lengthOf(spooled(home), 1)
    changeStore(home, "DELETE FROM tooltrail_migrations WHERE migration_id = 999")
    await serve(home)
    await until(() => spooled(home).length === 0)
    assert.strictEqual(totals(home).events, 2)
  })

  it("keeps when a project was first and last seen", async () => {
    const home = freshHome()
    const project = projectFromRoot("/projects/a")
    const at = (second: number) => `2026-01-02 03:04:0${second}` as Timestamp
    await Effect.gen(function* () {
      const { use } = yield* makeServedStore
      for (const [first, last] of [
        [3, 3],
        [3, 6],
        [6, 6],
        [2, 4],
      ] as const) {
        yield* use(Effect.flatMap(Projects, ({ remember }) => remember(project, { first: at(first), last: at(last) })))
      }
    }).pipe(Effect.scoped, Effect.provide(homeAt(home)), Effect.runPromise)
    assert.deepStrictEqual(
      readStore(home, (all) => all("SELECT first_seen, last_seen FROM projects")),
      [{ first_seen: at(2), last_seen: at(6) }],
    )
  })

  it("records again as soon as a statement that failed can succeed", async () => {
    const home = freshHome()
    const server = await serve(home)
    await accepts(post(server, payload("0")))
    await server.end("SIGTERM")
    changeStore(home, "ALTER TABLE tool_usage_events RENAME TO away")
    const next = await serve(home)
    await accepts(post(next, payload("1")))
    assert.include(next.stderr(), "the call counts in the aggregate only")
    changeStore(home, "ALTER TABLE away RENAME TO tool_usage_events")
    await accepts(post(next, payload("2")))
    assert.strictEqual(totals(home).events, 2)
  })

  it("follows a store that is replaced", async () => {
    const home = freshHome()
    const server = await serve(home)
    await accepts(post(server, payload("0")))
    mkdirSync(join(home, "old"))
    for (const name of readdirSync(home).filter((name) => name.startsWith("tooltrail.db"))) {
      renameSync(join(home, name), join(home, "old", name))
    }
    await accepts(post(server, payload("1")))
    assert.deepStrictEqual(
      readStore(home, (all) => all("SELECT tool_use_id FROM tool_usage_events")),
      [{ tool_use_id: "1" }],
    )
  })

  it("says so if neither store nor spool can be written", async () => {
    const home = freshHome()
    const server = await serve(home)
    writeFileSync(join(home, "spool"), "")
    const writer = new Database(join(home, "tooltrail.db"))
    writer.exec("BEGIN IMMEDIATE")
    await refuses(post(server, payload("0")), 503)
    writer.exec("COMMIT")
    writer.close()
    assert.include(server.stderr(), "a Bash call is lost")
  })
})

describe("a resolver that remembers", () => {
  it.effect("asks once for a folder in the time it remembers, and for no more folders than it may keep", () => {
    const asked: Array<string> = []
    const resolver = Layer.succeed(ProjectResolver, {
      resolve: (start) =>
        Effect.sync(() => {
          asked.push(start)
          return projectFromRoot(start)
        }),
    })
    return Effect.gen(function* () {
      const { resolve } = yield* ProjectResolver
      for (const start of ["/a", "/a", "/b", "/a"]) yield* resolve(start)
      assert.deepStrictEqual(asked, ["/a", "/b"])
      yield* TestClock.adjust("11 seconds")
      yield* resolve("/a")
      for (const start of ["/c", "/d", "/e", "/a"]) yield* resolve(start)
      assert.deepStrictEqual(asked.slice(2), ["/a", "/c", "/d", "/e", "/a"])
    }).pipe(
      Effect.provide(Layer.provide(ProjectResolverRemembering({ capacity: 2, timeToLive: "10 seconds" }), resolver)),
    )
  })
})
