import { assert, describe, it } from "@effect/vitest"
import { isOurs, wantedHandler } from "../../src/domain/agents/claudeCodeSettings.ts"

const token = "a".repeat(64)
const other = "b".repeat(64)

const command = (line: string, args?: ReadonlyArray<string>) => ({ type: "command", command: line, args })
const http = (url: string, authorization: string) => ({ type: "http", url, headers: { Authorization: authorization } })

describe("a handler in an agent's settings", () => {
  it.each<[object]>([
    [command("/usr/bin/node", ["/opt/tooltrail/dist/tooltrail-hook.cjs"])],
    [command("/old/node20", ["--no-warnings", "/old path/tooltrail-hook.cjs"])],
    [command("/opt/tooltrail-hook.sh", ["/usr/bin/node", "/opt/tooltrail-hook.cjs"])],
    [command("C:\\Program Files\\nodejs\\node.exe", ["C:\\tooltrail\\dist\\tooltrail-hook.cjs"])],
    [command("tooltrail-hook")],
    [command("/usr/local/bin/tooltrail-hook", [])],
    [command("tooltrail hook")],
    [command("tooltrail", ["hook"])],
    [command("node /opt/tooltrail.cjs hook")],
    [command("node /opt/tooltrail-hook.cjs")],
    [command(`"/usr/bin/node" '/my folder/tooltrail-hook.cjs'`)],
    [http("http://127.0.0.1:4717/hook", `Bearer ${other}`)],
    [http("http://localhost:5000/hook", `Bearer ${token}`)],
    [{ ...http("http://[::1]:4717/hook", ""), headers: { authorization: `Bearer ${token}` } }],
  ])("%j is tooltrail's", (handler) => {
    assert.isTrue(isOurs(handler, token))
  })

  it.each<[unknown]>([
    [command("node", ["/opt/other-hook.cjs"])],
    [command("node", ["/opt/tooltrail-hook.cjs", "--and-more"])],
    [command("timeout", ["5", "node", "/opt/tooltrail-hook.cjs"])],
    [command("node /opt/tooltrail-hook.cjs && notify done")],
    [command("node /opt/tooltrail-hook.cjs; rm x")],
    [command("cat > /tmp/x; node $HOME/tooltrail-hook.cjs")],
    [command("node `which tooltrail-hook.cjs`")],
    [command("/opt/tooltrail-hook.sh", ["/usr/bin/node", "/opt/other-hook.cjs"])],
    [command("/opt/tooltrail-hook.sh")],
    [command("my-tooltrail-hook")],
    [command("tooltrail top")],
    [command("echo tooltrail-hook")],
    [command("echo", ["tooltrail", "hook"])],
    [command("/usr/bin/env", ["-u", "NODE_EXTRA_CA_CERTS", "/usr/bin/node", "/opt/tooltrail-hook.cjs"])],
    [{ type: "command", command: 5, args: ["tooltrail-hook.cjs"] }],
    [{ type: "command", command: "node", args: [5, "tooltrail-hook.cjs"] }],
    [{ type: "prompt", prompt: "tooltrail-hook.cjs" }],
    [http("http://127.0.0.1:5000/hook", `Bearer ${other}`)],
    [http("http://127.0.0.1:4717/hook", "Bearer something else")],
    [http("http://127.0.0.1:4717/hooks", `Bearer ${token}`)],
    [http("http://example.com:4717/hook", `Bearer ${token}`)],
    [http("http://127.0.0.1.example.com:4717/hook", `Bearer ${token}`)],
    [{ type: "http", url: "http://127.0.0.1:4717/hook" }],
    ["tooltrail-hook.cjs"],
    [null],
  ])("%j is somebody else's", (handler) => {
    assert.isFalse(isOurs(handler, token))
  })

  it("is recognised as it was registered", () => {
    const registered = {
      command: { command: "/n", args: ["/x/tooltrail-hook.cjs"] },
      isAsync: true,
      endpoint: undefined,
    }
    assert.isTrue(isOurs(wantedHandler("PostToolUse", registered), undefined))
    const served = { ...registered, endpoint: { port: 5000, token } }
    assert.isTrue(isOurs(wantedHandler("PostToolUse", served), token))
    assert.strictEqual(wantedHandler("PostToolUse", served).type, "http")
    assert.strictEqual(wantedHandler("SessionStart", served).type, "command")
  })
})
