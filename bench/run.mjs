// Runs one of the measurements beside this file, or without a name those that need no more than some minutes.
import { spawnSync } from "node:child_process"
import { join } from "node:path"

const measurements = ["hook", "serve", "import", "beside", "scale"]
const unlessTold = ["hook", "serve", "import", "scale"]

const [name, ...args] = process.argv.slice(2)
if (name !== undefined && !measurements.includes(name)) {
  console.error(`there is no measurement ${JSON.stringify(name)}; there are ${measurements.join(", ")}`)
  process.exit(1)
}
for (const measurement of name === undefined ? unlessTold : [name]) {
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, `${measurement}.mjs`), ...args], {
    stdio: "inherit",
  })
  if (status !== 0) process.exit(status ?? 1)
}
