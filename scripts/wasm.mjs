// Compiles the scanner of lines to WebAssembly, as text that any bundle can hold.
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import asc from "assemblyscript/asc"

const folder = join(import.meta.dirname, "..", "src", "layers", "lineScanner")

/** The source of the module `compiledScanner.ts`. */
export const compile = async () => {
  let binary = new Uint8Array()
  const { error, stderr } = await asc.main(
    [
      "scanLine.as.ts",
      ...["--baseDir", folder, "--outFile", "scanLine.wasm"],
      ...["-O3", "--noAssert", "--runtime", "stub", "--enable", "simd", "--importMemory", "--memoryBase", "65536"],
    ],
    {
      writeFile: (name, contents) => {
        if (name.endsWith(".wasm")) binary = contents
      },
    },
  )
  if (error !== null) throw new Error(stderr.toString())
  return `// Made by \`npm run wasm\` from scanLine.as.ts.
export const wasm =
  "${Buffer.from(binary).toString("base64")}"
`
}

if (process.argv[1] === import.meta.filename) writeFileSync(join(folder, "compiledScanner.ts"), await compile())
