import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js"
import type { Project, ProjectHash } from "./Project.ts"

/** The project of a root folder, given by its absolute path. */
export const projectFromRoot = (root: string): Project => ({
  hash: bytesToHex(sha256(utf8ToBytes(root))).slice(0, 16) as ProjectHash,
  root,
  name: root.split(/[/\\]/).findLast((segment) => segment !== "") ?? root,
})
