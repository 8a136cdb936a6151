// Bundled in the place of `bindings`, which walks folders to find better-sqlite3's compiled part. Here it is in the folder that npm uses:
// below this package, or beside it.
const { existsSync } = require("node:fs")

const COMPILED = "/build/Release/better_sqlite3.node"

/** If neither folder is there, as in a workspace, Node may still find it. */
const findElsewhere = () => {
  try {
    return require("better-sqlite3/build/Release/better_sqlite3.node")
  } catch {
    return undefined
  }
}

const folders = [`${__dirname}/../node_modules/better-sqlite3`, `${__dirname}/../../better-sqlite3`]

const cannotLoad = (what, how) => Object.assign(new Error(`${what}; ${how}`), { code: "TOOLTRAIL_NOT_BUILT" })

/** The script that npm did not run, or ran for another Node. `npm run` runs it whatever npm's policy for scripts is. */
const build = (folder) => {
  const path = require("node:path").resolve(folder)
  const quoted = /^[\w@%+=:,./-]+$/.test(path) ? path : JSON.stringify(path)
  return `build it with \`npm run install --prefix ${quoted}\``
}

module.exports = () => {
  const built = folders.find((folder) => existsSync(folder + COMPILED))
  if (built === undefined) {
    const elsewhere = findElsewhere()
    if (elsewhere !== undefined) return elsewhere
    const installed = folders.find(existsSync)
    throw installed === undefined
      ? cannotLoad("better-sqlite3 is not installed", "reinstall tooltrail")
      : cannotLoad("better-sqlite3 is installed, but not built", build(installed))
  }
  const native = { exports: {} }
  try {
    process.dlopen(native, built + COMPILED)
  } catch (error) {
    if (error.code !== "ERR_DLOPEN_FAILED") throw error
    throw cannotLoad(`better-sqlite3 is not built for this Node, which is ${process.version}`, build(built))
  }
  return native.exports
}
