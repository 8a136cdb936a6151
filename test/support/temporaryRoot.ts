import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** Gives the whole test run one temporary folder, which goes when it ends. */
export default () => {
  const root = mkdtempSync(join(tmpdir(), "tooltrail-test-"))
  // Tests let another user look for files in there.
  chmodSync(root, 0o755)
  process.env.TMPDIR = root
  return () => rmSync(root, { recursive: true, force: true })
}
