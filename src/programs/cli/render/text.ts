import stringWidth from "string-width"
import { printable } from "../../../domain/text.ts"
import type { OutputStyle } from "./terminal.ts"

const segmenter = new Intl.Segmenter("en", { granularity: "grapheme" })

/** As many characters from the beginning as fit. */
const take = (characters: ReadonlyArray<string>, width: number): ReadonlyArray<string> => {
  let taken = 0
  let used = 0
  for (const character of characters) {
    used += stringWidth(character)
    if (used > width) break
    taken++
  }
  return characters.slice(0, taken)
}

/** The text if it fits, else its two ends around an ellipsis: the names of tools differ at their ends. */
export const cut = (text: string, width: number, { glyphs }: Pick<OutputStyle, "glyphs">): string => {
  if (stringWidth(text) <= width) return text
  const characters = [...segmenter.segment(text)].map(({ segment }) => segment)
  const room = width - stringWidth(glyphs.cut)
  const head = take(characters, Math.ceil(room / 2))
  const tail = take([...characters].reverse(), room - stringWidth(head.join("")))
  return [...head, glyphs.cut, ...[...tail].reverse()].join("")
}

/** The parts on as few lines as possible. Lines break between parts; on a terminal, a part that is too long for a line is cut. */
const flow = (parts: ReadonlyArray<string>, separator: string, width: number, style: OutputStyle) => {
  const lines: Array<string> = []
  for (const [place, part] of parts.entries()) {
    const isLast = place === parts.length - 1
    const room = style.isTerminal ? width - (isLast ? 0 : stringWidth(separator)) : Number.POSITIVE_INFINITY
    const text = cut(printable(part), room, style) + (isLast ? "" : separator)
    const last = lines.at(-1)
    const joined = last === undefined ? text : `${last} ${text}`
    if (last !== undefined && stringWidth(joined) <= width) lines[lines.length - 1] = joined
    else lines.push(text)
  }
  return lines
}

/** A sentence of parts. */
export const sentence = (parts: ReadonlyArray<string>, style: OutputStyle): string =>
  flow(parts, ",", style.width, style).join("\n")

/** The text on as many lines as a terminal needs; a line ends between two words. */
export const paragraph = (text: string, style: OutputStyle): string =>
  style.isTerminal ? flow(text.split(" "), "", style.width, style).join("\n") : printable(text)

export interface Detail {
  readonly label: string
  readonly parts: ReadonlyArray<string>
  /** Default: a comma. */
  readonly separator?: string
}

/** Labels with their parts beside them. A label without parts is left out. */
export const renderDetails = (details: ReadonlyArray<Detail>, style: OutputStyle): string => {
  const shown = details.filter(({ parts }) => parts.length > 0)
  const indent = Math.max(...shown.map(({ label }) => label.length)) + 2
  return shown
    .map(({ label, parts, separator = "," }) => {
      const lines = flow(parts, separator, style.width - indent, style)
      return style.colors.dim(label.padEnd(indent)) + lines.join(`\n${" ".repeat(indent)}`)
    })
    .join("\n")
}
