import { createHash } from "node:crypto"
import {
  accessSync,
  constants,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs"
import { dirname, resolve } from "node:path"

// What is done to a settings file apart from what it says. All of it throws the system's errors.

const BYTE_ORDER_MARK = "\uFEFF"

export const stat = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false })

/** The file that a path leads to, whether that is there or not. */
export const followLinks = (path: string): string => {
  if (stat(path) !== undefined) return realpathSync(path)
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return path
  return followLinks(resolve(dirname(path), readlinkSync(path)))
}

export const hashOf = (content: string): string => createHash("sha256").update(content).digest("hex")

export interface SettingsText {
  readonly mark: string
  readonly text: string
}

export const withoutMark = (content: string): SettingsText =>
  content.startsWith(BYTE_ORDER_MARK) ? { mark: BYTE_ORDER_MARK, text: content.slice(1) } : { mark: "", text: content }

/** The content of a file; nothing where there is none. */
export const readText = (path: string): string | undefined =>
  stat(path) === undefined
    ? undefined
    : new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(readFileSync(path))

/** A name beside the file that is free, or holds this content already. */
export const backupPath = (path: string, content: string, number = 1): string => {
  const candidate = `${path}.tooltrail-backup${number === 1 ? "" : `-${number}`}`
  const there = stat(candidate)
  return there === undefined || (there.isFile() && readFileSync(candidate).equals(Buffer.from(content)))
    ? candidate
    : backupPath(path, content, number + 1)
}

export const writeBackup = (path: string, content: string, mode: number): void => {
  if (stat(path) === undefined) writeFileSync(path, content, { mode, flag: "wx" })
}

/** Removes folders that are empty, from `folder` up to `outermost`. */
export const removeEmptyFolders = (folder: string, outermost: string): void => {
  if (readdirSync(folder).length > 0) return
  rmdirSync(folder)
  if (folder !== outermost) removeEmptyFolders(dirname(folder), outermost)
}

/** Refuses to write over what another program has just written, or over a file that is not to be written. */
export const checkUnchanged = (target: string, content: string | undefined): void => {
  if (readText(target) !== content) throw new Error("it was changed by another program just now; run this again")
  if (content !== undefined) accessSync(target, constants.W_OK)
}
