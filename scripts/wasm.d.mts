/** The source of the module `compiledScanner.ts`. */
export const compile: () => Promise<string>
