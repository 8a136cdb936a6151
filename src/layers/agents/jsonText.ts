import * as Either from "effect/Either"
import {
  createScanner,
  findNodeAtLocation,
  getNodeValue,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from "jsonc-parser"
import type { SettingsChange } from "../../domain/agents/claudeCodeSettings.ts"

// An edit changes only what it adds or removes; all else stays byte for byte. jsonc-parser's own `modify` reformats the lines
// around an edit and loses comments next to what it removes.

/** A parsed JSON text, perhaps with comments. */
export interface JsonText {
  readonly root: Node
  readonly value: unknown
}

const positionOf = (text: string, offset: number): string => {
  const lines = text.slice(0, offset).split(/\r\n|\r|\n/)
  return `line ${lines.length}, column ${(lines.at(-1)?.length ?? 0) + 1}`
}

const inWords = (code: string) => code.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase()

/** A key that an object has twice: readers differ on which one counts. */
const findDuplicate = (node: Node): Node | undefined => {
  const keys = (node.children ?? []).flatMap((property) => property.children?.[0] ?? [])
  return keys.find((key, place) => keys.findIndex(({ value }) => value === key.value) < place)
}

/** Parses the text, or says what is wrong with it and where. */
export const parseJsonText = (text: string): Either.Either<JsonText, string> => {
  const errors: Array<ParseError> = []
  const parsed = Either.try(() => {
    const root = parseTree(text, errors)
    return { root, value: root && getNodeValue(root) }
  })
  // It reads a level in a level.
  if (Either.isLeft(parsed)) return Either.left("it is nested too deep")
  const { root, value } = parsed.right
  const [error] = errors
  if (error !== undefined) {
    const { offset, error: code } = error
    return Either.left(`it is not JSON: ${positionOf(text, offset)}: ${inWords(printParseErrorCode(code))}`)
  }
  if (root === undefined) return Either.left("it is not JSON: it is empty")
  const hooks = findNodeAtLocation(root, ["hooks"])
  const twice = [root, hooks].flatMap((node) => (node?.type === "object" ? (findDuplicate(node) ?? []) : [])).at(0)
  if (twice !== undefined) {
    return Either.left(`${positionOf(text, twice.offset)}: duplicate key ${JSON.stringify(twice.value)}`)
  }
  return Either.right({ root, value })
}

interface Style {
  readonly eol: string
  readonly unit: string
  /** All on one line. */
  readonly isCompact: boolean
}

interface Splice {
  readonly from: number
  readonly to: number
  readonly text: string
}

const endOf = (node: Node) => node.offset + node.length

const textBefore = (text: string, offset: number) =>
  text.slice(Math.max(text.lastIndexOf("\n", offset - 1), text.lastIndexOf("\r", offset - 1)) + 1, offset)

/** The white space at the start of its line. */
const lineIndent = (text: string, offset: number) => /^[ \t]*/.exec(textBefore(text, offset))?.[0] ?? ""

const startsItsLine = (text: string, offset: number) => /^[ \t]*$/.test(textBefore(text, offset))

const styleOf = (text: string, root: Node): Style => {
  const first = root.children?.[0]
  const ownLine = first !== undefined && startsItsLine(text, first.offset)
  return {
    eol: /\r\n|\r|\n/.exec(text)?.[0] ?? "\n",
    unit: (ownLine && lineIndent(text, first.offset)) || "  ",
    isCompact: first !== undefined && !/[\r\n]/.test(text.slice(root.offset, endOf(root))),
  }
}

/** Where the last comment or comma between two places ends, else the first place; and where the comma is. */
const lookBetween = (text: string, from: number, to: number) => {
  const scanner = createScanner(text)
  scanner.setPosition(from)
  let end = from
  let comma: number | undefined
  let isLineComment = false
  for (scanner.scan(); scanner.getTokenOffset() < to; scanner.scan()) {
    const offset = scanner.getTokenOffset()
    if (text[offset] !== "," && text[offset] !== "/") continue
    if (text[offset] === ",") comma = offset
    end = offset + scanner.getTokenLength()
    isLineComment = text.startsWith("//", offset)
  }
  return { end, comma, isLineComment }
}

const pretty = (value: unknown, indent: string, { eol, unit }: Style) =>
  JSON.stringify(value, null, unit).replaceAll("\n", eol + indent)

/** Adds a child to an object (with its key) or a list, after the others and their comments. */
const addChild = (text: string, style: Style, container: Node, key: string | undefined, value: unknown) => {
  const last = container.children?.at(-1)
  const close = endOf(container) - 1
  const start = last === undefined ? container.offset + 1 : endOf(last)
  const prefix = key === undefined ? "" : `${JSON.stringify(key)}:${style.isCompact ? "" : " "}`
  if (style.isCompact || (last !== undefined && !startsItsLine(text, last.offset))) {
    const separator = last === undefined ? "" : style.isCompact ? "," : ", "
    return [{ from: start, to: start, text: `${separator}${prefix}${JSON.stringify(value)}` }]
  }
  const outer = lineIndent(text, container.offset)
  const indent = last === undefined ? outer + style.unit : lineIndent(text, last.offset)
  const { end } = lookBetween(text, start, close)
  const tail = last === undefined && !startsItsLine(text, close) ? style.eol + outer : ""
  return [
    { from: start, to: start, text: last === undefined ? "" : "," },
    { from: end, to: end, text: `${style.eol}${indent}${prefix}${pretty(value, indent, style)}${tail}` },
  ]
}

const replaceNode = (text: string, style: Style, node: Node, value: unknown): ReadonlyArray<Splice> => {
  const isInline = !/[\r\n]/.test(text.slice(node.offset, endOf(node)))
  const replacement = isInline ? JSON.stringify(value) : pretty(value, lineIndent(text, node.offset), style)
  return [{ from: node.offset, to: endOf(node), text: replacement }]
}

/** Removes a child and one comma; comments around it stay. */
const removeChild = (text: string, node: Node): ReadonlyArray<Splice> => {
  const child = node.parent?.type === "property" ? node.parent : node
  const container = child.parent
  if (container === undefined) return []
  const siblings = container.children ?? []
  const place = siblings.indexOf(child)
  const [previous, next] = [siblings[place - 1], siblings[place + 1]]
  const close = endOf(container) - 1
  const before = lookBetween(text, previous === undefined ? container.offset + 1 : endOf(previous), child.offset)
  const after = lookBetween(text, endOf(child), next === undefined ? close : next.offset)
  const comma = next === undefined ? before.comma : after.comma
  // What follows the child on its line must not become part of a comment.
  const endsItsLine = /^[ \t]*,?[ \t]*[\r\n]/.test(text.slice(endOf(child)))
  const from = before.isLineComment && !endsItsLine ? child.offset : before.end
  if (comma !== undefined) {
    const isFirstInLine = previous === undefined && next !== undefined && !startsItsLine(text, next.offset)
    return [
      { from, to: endOf(child), text: "" },
      { from: comma, to: isFirstInLine && after.end === comma + 1 ? next.offset : comma + 1, text: "" },
    ]
  }
  const isLone = before.end === container.offset + 1 && after.end === endOf(child)
  return [{ from, to: isLone ? close : endOf(child), text: "" }]
}

const splicesFor = (text: string, root: Node, change: SettingsChange): ReadonlyArray<Splice> => {
  const style = styleOf(text, root)
  const node = findNodeAtLocation(root, [...change.path])
  if (change.kind === "remove") return node === undefined ? [] : removeChild(text, node)
  if (change.kind === "append") return node === undefined ? [] : addChild(text, style, node, undefined, change.value)
  if (node !== undefined) return replaceNode(text, style, node, change.value)
  const parent = findNodeAtLocation(root, change.path.slice(0, -1))
  return parent === undefined ? [] : addChild(text, style, parent, String(change.path.at(-1)), change.value)
}

/** Applies the last place first, and at one place the last splice first, so that the other offsets stay valid. */
const splice = (text: string, splices: ReadonlyArray<Splice>): string =>
  splices
    .map((each, place) => ({ ...each, place }))
    .toSorted((a, b) => b.from - a.from || b.place - a.place)
    .reduce((result, { from, to, text }) => result.slice(0, from) + text + result.slice(to), text)

/** Makes the changes one after the other, in a text that `parseJsonText` accepts. */
export const changeJsonText = (text: string, changes: ReadonlyArray<SettingsChange>): string =>
  changes.reduce((current, change) => {
    const root = parseTree(current)
    return root === undefined ? current : splice(current, splicesFor(current, root, change))
  }, text)
