import { mkdirSync } from "node:fs"

/** Creates the folder for tooltrail's files, readable by its owner only, unless it is there. Throws the system's error. */
export const makeHomeFolder = (directory: string): void => {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
}
