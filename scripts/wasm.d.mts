/** The source of the module `scanLine.wasm.ts`. */
export const compile: () => Promise<string>
