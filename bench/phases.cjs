// Preloaded into the built hook (node --require): notes when its phases begin, and writes them to the file in BENCH_PHASES.
const { appendFileSync } = require("node:fs")
const vm = require("node:vm")

const marks = []
const mark = (phase) => marks.push([phase, performance.now()])
mark("start of Node")

const { Script } = vm
vm.Script = class extends Script {
  constructor(...args) {
    mark("loader")
    super(...args)
    mark("code from the cache")
  }

  runInThisContext(...args) {
    const main = super.runInThisContext(...args)
    return (...inner) => {
      main(...inner)
      mark("module evaluation")
    }
  }
}

const { binding, dlopen, exit } = process
process.binding = (name) => {
  const found = binding(name)
  if (name !== "pipe_wrap") return found
  mark("services, to the start of reading")
  class Pipe extends found.Pipe {
    close() {
      mark("input")
      super.close()
    }
  }
  return { ...found, Pipe }
}

process.dlopen = (native, path) => {
  mark("decode and project")
  dlopen(native, path)
  const { Database } = native.exports
  const { prepare } = Database.prototype
  let writing = false
  Database.prototype.prepare = function (sql, ...rest) {
    if (!writing && /^\s*INSERT/.test(sql)) {
      writing = true
      mark("open")
    }
    return prepare.call(this, sql, ...rest)
  }
}

process.exit = (code) => {
  mark("write")
  appendFileSync(process.env.BENCH_PHASES, `${JSON.stringify({ marks, maxRssKiB: process.resourceUsage().maxRSS })}\n`)
  exit(code)
}
