// AssemblyScript: compiled to the WebAssembly in `compiledScanner.ts` by `npm run wasm`.
//
// Reads what a line of a transcript says about tool calls without parsing all of it: it goes through the JSON's structure, and
// over the texts that are not looked at 16 bytes at a time. It knows only what nearly all lines hold; of any other it is not
// sure. Of a line that is no JSON it can be sure only where nothing but an escape within a text is wrong.

const TAB: u32 = 0x09
const SPACE: u32 = 0x20
const QUOTE: u32 = 0x22
const PLUS: u32 = 0x2b
const COMMA: u32 = 0x2c
const MINUS: u32 = 0x2d
const POINT: u32 = 0x2e
const ZERO: u32 = 0x30
const COLON: u32 = 0x3a
const OPEN_BRACKET: u32 = 0x5b
const BACKSLASH: u32 = 0x5c
const CLOSE_BRACKET: u32 = 0x5d
const OPEN_BRACE: u32 = 0x7b
const CLOSE_BRACE: u32 = 0x7d
const DELETE: u32 = 0x7f

// Words as the numbers that their bytes are, the first byte lowest.
const TYPE: u32 = 0x65707974
const NAME: u32 = 0x656d616e
const USER: u32 = 0x72657375
const TRUE: u32 = 0x65757274
const NULL: u32 = 0x6c6c756e
const FALS: u32 = 0x736c6166
const ID: u32 = 0x6469
const CW: u32 = 0x7763
const INPU: u32 = 0x75706e69
const MESS: u32 = 0x7373656d
const SAGE: u32 = 0x65676173
const CONT: u32 = 0x746e6f63
const TENT: u32 = 0x746e6574
const E_ID: u32 = 0x64695f65
const SULT: u32 = 0x746c7573
const SESSION_I: u64 = 0x496e6f6973736573
const TIMESTAM: u64 = 0x6d617473656d6974
const ATTRIBUT: u64 = 0x7475626972747461
const IONAGENT: u64 = 0x746e6567416e6f69
const IS_ERROR: u64 = 0x726f7272655f7369
const TOOL_USE: u64 = 0x6573755f6c6f6f74
const TOOL_RES: u64 = 0x7365725f6c6f6f74
const ASSISTAN: u64 = 0x6e61747369737361

/** In the place of a position. */
const UNSURE: usize = 0

const LONGEST_NAME: usize = 1024
const DEEPEST: usize = 64
const MOST_BLOCKS: i32 = 1024

// What is found, and where: `scanLine.ts` reads it. A position of 0 is none.
const FOUND_TYPE: usize = 64
const FOUND_SESSION: usize = 68
const FOUND_FOLDER: usize = 76
const FOUND_SUBAGENT: usize = 84
const FOUND_BLOCKS: usize = 92
const FOUND_MILLIS: usize = 96
const BLOCKS: usize = 128
/** Kind, id from and to, name from and to, input from and to. */
const BLOCK_BYTES: usize = 28
const NESTING: usize = 32768

const OTHER: i32 = 0
const REQUEST: i32 = 1
const SUCCESS: i32 = 2
const FAILURE: i32 = 3

// The text that was read last, without its quotes.
let from: usize = 0
let to: usize = 0
/** Whether the member that was read last is its object's last. */
let isClosed: bool = false

// What is read of a block of the message.
let isRequest: bool = false
let isResult: bool = false
let isError: bool = false
let idFrom: usize = 0
let idTo: usize = 0
let resultFrom: usize = 0
let resultTo: usize = 0
let nameFrom: usize = 0
let nameTo: usize = 0
let inputFrom: usize = 0
let inputTo: usize = 0
let contentAt: usize = 0
let blocks: i32 = 0

// Members that the line before had behind its first, up to those that differ from line to line; and what was found in them.
let repeatedFrom: usize = 0
let repeatedTo: usize = 0
let repeatedSession: u64 = 0
let repeatedFolder: u64 = 0

// @ts-expect-error: decorator
@inline
function byteAt(at: usize): u32 {
  return load<u8>(at)
}

@inline
function skipSpace(at: usize): usize {
  while (byteAt(at) === SPACE || byteAt(at) === TAB) at++
  return at
}

/** From behind the first quote of a text to its last. `hasEscapes` says whether backslashes are gone over. */
// @ts-expect-error: decorator
@inline
function endOfText(at: usize, hasEscapes: bool): usize {
  const quotes = i8x16.splat(<i8>QUOTE)
  const slashes = i8x16.splat(<i8>BACKSLASH)
  const spaces = i8x16.splat(<i8>SPACE)
  while (true) {
    const bytes = v128.load(at)
    let special = i8x16.bitmask(
      v128.or(v128.or(i8x16.eq(bytes, quotes), i8x16.eq(bytes, slashes)), i8x16.lt_u(bytes, spaces)),
    )
    let read: usize = 16
    while (special !== 0) {
      const place = ctz(special)
      const byte = byteAt(at + place)
      if (byte === QUOTE) return at + place
      if (!hasEscapes || byte !== BACKSLASH || byteAt(at + place + 1) < SPACE) return UNSURE
      special &= -1 << (place + 2)
      read = max<usize>(read, place + 2)
    }
    at += read
  }
}

/** Reads a text that has no escapes. */
@inline
function readText(at: usize): usize {
  if (byteAt(at) !== QUOTE) return UNSURE
  from = at + 1
  to = endOfText(from, false)
  return to === UNSURE ? UNSURE : to + 1
}

/** Goes over a text. */
@inline
function skipText(at: usize): usize {
  if (byteAt(at) !== QUOTE) return UNSURE
  const end = endOfText(at + 1, true)
  return end === UNSURE ? UNSURE : end + 1
}

/** Whether the text that was read last is one that names or ids are, all in printable ASCII. */
function isName(): bool {
  if (from === to || to - from > LONGEST_NAME) return false
  for (let at = from; at < to; at++) if (byteAt(at) - SPACE >= DELETE - SPACE) return false
  return true
}

// @ts-expect-error: decorator
@inline
function isDigit(at: usize): bool {
  return byteAt(at) - ZERO < 10
}

function skipDigits(at: usize): usize {
  if (!isDigit(at)) return UNSURE
  while (isDigit(at)) at++
  return at
}

/** Goes over a number. */
function skipNumber(at: usize): usize {
  if (byteAt(at) === MINUS) at++
  at = byteAt(at) === ZERO ? at + 1 : skipDigits(at)
  if (at !== UNSURE && byteAt(at) === POINT) at = skipDigits(at + 1)
  if (at === UNSURE || (byteAt(at) | 0x20) !== 0x65) return at
  at++
  return skipDigits(byteAt(at) === MINUS || byteAt(at) === PLUS ? at + 1 : at)
}

/** Goes over what is neither an object nor a list. */
function skipScalar(at: usize): usize {
  if (byteAt(at) === QUOTE) return skipText(at)
  const word = load<u32>(at)
  if (word === TRUE || word === NULL) return at + 4
  if (word === FALS) return byteAt(at + 4) === 0x65 ? at + 5 : UNSURE
  return skipNumber(at)
}

/** From behind a key to the value. */
@inline
function skipColon(at: usize): usize {
  if (at === UNSURE) return UNSURE
  if (byteAt(at) !== COLON) at = skipSpace(at)
  if (byteAt(at) !== COLON) return UNSURE
  at++
  return byteAt(at) > SPACE ? at : skipSpace(at)
}

/** Goes over any value. */
function skipValue(at: usize): usize {
  let depth: usize = 0
  while (at !== UNSURE) {
    const byte = byteAt(at)
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (depth === DEEPEST) return UNSURE
      store<u8>(NESTING + depth, <u8>byte)
      depth++
      at = skipSpace(at + 1)
      // The code of what closes is that of what opens, and two.
      if (byteAt(at) !== byte + 2) {
        if (byte === OPEN_BRACE) at = skipColon(skipText(at))
        continue
      }
    } else {
      at = skipScalar(at)
      if (depth === 0 || at === UNSURE) return at
      if (byteAt(at) <= SPACE) at = skipSpace(at)
    }
    // Behind a value, or before the end of an empty object or list.
    while (byteAt(at) === <u32>load<u8>(NESTING + depth - 1) + 2) {
      at++
      depth--
      if (depth === 0) return at
      at = skipSpace(at)
    }
    if (byteAt(at) !== COMMA) return UNSURE
    at = skipSpace(at + 1)
    if (load<u8>(NESTING + depth - 1) === <u8>OPEN_BRACE) at = skipColon(skipText(at))
  }
  return UNSURE
}

/** From behind the value of a member to the next one or behind the object. */
// @ts-expect-error: decorator
@inline
function endMember(at: usize): usize {
  if (at === UNSURE) return UNSURE
  if (byteAt(at) <= SPACE) at = skipSpace(at)
  isClosed = byteAt(at) === CLOSE_BRACE
  if (isClosed) return at + 1
  return byteAt(at) === COMMA ? skipSpace(at + 1) : UNSURE
}

// @ts-expect-error: decorator
@inline
function twoDigits(at: usize): i32 {
  return isDigit(at) && isDigit(at + 1) ? <i32>((byteAt(at) - ZERO) * 10 + (byteAt(at + 1) - ZERO)) : -10_000
}

/** Days from 1970-01-01 to a date; months from 1. */
function daysTo(year: i32, month: i32, day: i32): i32 {
  // A year that begins in March ends with the day that may be missing.
  const marchYear = month > 2 ? year : year - 1
  const sinceMarch = month > 2 ? month - 3 : month + 9
  const leapDays = <i32>(Math.floor(<f64>marchYear / 4) - Math.floor(<f64>marchYear / 100) + Math.floor(<f64>marchYear / 400))
  return marchYear * 365 + leapDays + (153 * sinceMarch + 2) / 5 + day - 719_469
}

function daysInMonth(year: i32, month: i32): i32 {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Reads a time that is written as `2026-01-31T23:59:59.999Z`. */
function readTime(at: usize): usize {
  const end = readText(at)
  if (end === UNSURE || to - from !== 24) return UNSURE
  if (byteAt(from + 4) !== MINUS || byteAt(from + 7) !== MINUS || byteAt(from + 10) !== 0x54) return UNSURE
  if (byteAt(from + 13) !== COLON || byteAt(from + 16) !== COLON) return UNSURE
  if (byteAt(from + 19) !== POINT || byteAt(from + 23) !== 0x5a) return UNSURE
  const year = twoDigits(from) * 100 + twoDigits(from + 2)
  const month = twoDigits(from + 5)
  const day = twoDigits(from + 8)
  const hour = twoDigits(from + 11)
  const minute = twoDigits(from + 14)
  const second = twoDigits(from + 17)
  const fraction = isDigit(from + 22) ? twoDigits(from + 20) * 10 + <i32>(byteAt(from + 22) - ZERO) : -1
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return UNSURE
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 || fraction < 0) return UNSURE
  const seconds = <i64>daysTo(year, month, day) * 86_400 + (hour * 60 + minute) * 60 + second
  store<f64>(FOUND_MILLIS, <f64>(seconds * 1000 + fraction))
  return end
}

function readOfBlock(at: usize): usize {
  const length = to - from
  if (length === 2 && load<u16>(from) === <u16>ID) {
    at = readText(at)
    idFrom = isName() ? from : 0
    idTo = to
    return at
  }
  if (length === 4 && load<u32>(from) === NAME) {
    at = readText(at)
    nameFrom = isName() ? from : 0
    nameTo = to
    return at
  }
  if (length === 4 && load<u32>(from) === TYPE) {
    at = readText(at)
    isRequest = to - from === 8 && load<u64>(from) === TOOL_USE
    isResult = to - from === 11 && load<u64>(from) === TOOL_RES && load<u32>(from + 7) === SULT
    return at
  }
  if (length === 5 && load<u32>(from) === INPU && byteAt(from + 4) === 0x74) {
    inputFrom = at
    inputTo = skipValue(at)
    return inputTo
  }
  if (length === 7 && load<u32>(from) === CONT && load<u32>(from + 3) === TENT) {
    contentAt = at
  } else if (length === 8 && load<u64>(from) === IS_ERROR) {
    isError = load<u32>(at) === TRUE
  } else if (length === 11 && load<u64>(from) === TOOL_USE && load<u32>(from + 7) === E_ID) {
    at = readText(at)
    resultFrom = isName() ? from : 0
    resultTo = to
    return at
  }
  return skipValue(at)
}

/** Whether the content of a result is a text that begins as no refusal does. */
function isNoRefusal(): bool {
  if (contentAt === 0 || byteAt(contentAt) !== QUOTE) return false
  const first = byteAt(contentAt + 1)
  // Refusals begin with T or with a bracket; a backslash may stand for a space, and what is not ASCII as well.
  return first > SPACE && first < DELETE && first !== 0x54 && first !== OPEN_BRACKET && first !== BACKSLASH
}

function addBlock(kind: i32, ofIdFrom: usize, ofIdTo: usize): bool {
  if (ofIdFrom === 0 || blocks === MOST_BLOCKS) return false
  const block = BLOCKS + <usize>blocks * BLOCK_BYTES
  blocks++
  store<i32>(block, kind)
  store<u32>(block, <u32>ofIdFrom, 4)
  store<u32>(block, <u32>ofIdTo, 8)
  store<u32>(block, <u32>nameFrom, 12)
  store<u32>(block, <u32>nameTo, 16)
  store<u32>(block, <u32>inputFrom, 20)
  store<u32>(block, <u32>inputTo, 24)
  return true
}

function readBlock(at: usize): usize {
  isRequest = false
  isResult = false
  isError = false
  idFrom = 0
  resultFrom = 0
  nameFrom = 0
  inputFrom = 0
  contentAt = 0
  at = skipSpace(at)
  if (byteAt(at) === CLOSE_BRACE) return at + 1
  do {
    at = skipColon(readText(at))
    if (at === UNSURE) return UNSURE
    at = endMember(readOfBlock(at))
  } while (at !== UNSURE && !isClosed)
  if (at === UNSURE) return UNSURE
  if (isRequest && (nameFrom === 0 || !addBlock(REQUEST, idFrom, idTo))) return UNSURE
  if (isResult) {
    if (isError && !isNoRefusal()) return UNSURE
    if (!addBlock(isError ? FAILURE : SUCCESS, resultFrom, resultTo)) return UNSURE
  }
  return at
}

function readContent(at: usize): usize {
  blocks = 0
  if (byteAt(at) !== OPEN_BRACKET) return skipValue(at)
  at = skipSpace(at + 1)
  if (byteAt(at) === CLOSE_BRACKET) return at + 1
  while (true) {
    at = byteAt(at) === OPEN_BRACE ? readBlock(at + 1) : skipValue(at)
    if (at === UNSURE) return UNSURE
    at = skipSpace(at)
    if (byteAt(at) === CLOSE_BRACKET) return at + 1
    if (byteAt(at) !== COMMA) return UNSURE
    at = skipSpace(at + 1)
  }
}

function readMessage(at: usize): usize {
  blocks = 0
  if (byteAt(at) !== OPEN_BRACE) return skipValue(at)
  at = skipSpace(at + 1)
  if (byteAt(at) === CLOSE_BRACE) return at + 1
  do {
    at = skipColon(readText(at))
    if (at === UNSURE) return UNSURE
    const isContent = to - from === 7 && load<u32>(from) === CONT && load<u32>(from + 3) === TENT
    at = endMember(isContent ? readContent(at) : skipValue(at))
  } while (at !== UNSURE && !isClosed)
  return at
}

/** Reads a text and notes where it is. */
function readPlace(at: usize, found: usize): usize {
  at = readText(at)
  store<u32>(found, <u32>from)
  store<u32>(found, <u32>to, 4)
  return at
}

function readOfEntry(at: usize): usize {
  const length = to - from
  if (length === 3 && load<u16>(from) === <u16>CW && byteAt(from + 2) === 0x64) return readPlace(at, FOUND_FOLDER)
  if (length === 4 && load<u32>(from) === TYPE) {
    at = readText(at)
    const isAssistant = to - from === 9 && load<u64>(from) === ASSISTAN && byteAt(from + 8) === 0x74
    const isUser = to - from === 4 && load<u32>(from) === USER
    store<i32>(FOUND_TYPE, isAssistant ? REQUEST : isUser ? SUCCESS : OTHER)
    return at
  }
  if (length === 7 && load<u32>(from) === MESS && load<u32>(from + 3) === SAGE) return readMessage(at)
  if (length === 9 && load<u64>(from) === TIMESTAM && byteAt(from + 8) === 0x70) return readTime(at)
  if (length === 9 && load<u64>(from) === SESSION_I && byteAt(from + 8) === 0x64) return readPlace(at, FOUND_SESSION)
  if (length === 16 && load<u64>(from) === ATTRIBUT && load<u64>(from + 8) === IONAGENT)
    return readPlace(at, FOUND_SUBAGENT)
  return skipValue(at)
}

function isSame(first: usize, second: usize, length: usize): bool {
  let n: usize = 0
  for (; n + 16 <= length; n += 16) if (!i8x16.all_true(i8x16.eq(v128.load(first + n), v128.load(second + n)))) return false
  for (; n < length; n++) if (byteAt(first + n) !== byteAt(second + n)) return false
  return true
}

/** Whether the text that was read last is the key of a member that differs from line to line. */
function isVarying(): bool {
  const length = to - from
  if (length === 4) return load<u32>(from) === TYPE
  if (length === 7) return load<u32>(from) === MESS
  if (length === 9) return load<u64>(from) === TIMESTAM
  return length === 16 && load<u64>(from) === ATTRIBUT
}

function readMember(at: usize): usize {
  at = skipColon(readText(at))
  return at === UNSURE ? UNSURE : endMember(readOfEntry(at))
}

/** Reads the members that may be the same in the next line, and remembers them. */
function learnRepeated(at: usize): usize {
  const start = at
  const session = load<u64>(FOUND_SESSION)
  const folder = load<u64>(FOUND_FOLDER)
  store<u64>(FOUND_SESSION, 0)
  store<u64>(FOUND_FOLDER, 0)
  repeatedFrom = 0
  while (at !== UNSURE && !isClosed) {
    if (readText(at) === UNSURE) return UNSURE
    if (isVarying()) break
    at = readMember(at)
  }
  if (at === UNSURE) return UNSURE
  repeatedFrom = start
  repeatedTo = isClosed ? start : at
  repeatedSession = load<u64>(FOUND_SESSION)
  repeatedFolder = load<u64>(FOUND_FOLDER)
  if (repeatedSession === 0) store<u64>(FOUND_SESSION, session)
  if (repeatedFolder === 0) store<u64>(FOUND_FOLDER, folder)
  return at
}

/** Reads an entry from behind its brace. Behind its first member most entries go on as the one before. */
function readEntry(at: usize): usize {
  at = skipSpace(at)
  if (byteAt(at) === CLOSE_BRACE) return at + 1
  at = readMember(at)
  if (at === UNSURE || isClosed) return at
  const length = repeatedTo - repeatedFrom
  if (repeatedFrom !== 0 && repeatedTo <= at && length !== 0 && isSame(repeatedFrom, at, length)) {
    if (repeatedSession !== 0) store<u64>(FOUND_SESSION, repeatedSession)
    if (repeatedFolder !== 0) store<u64>(FOUND_FOLDER, repeatedFolder)
    at += length
  } else {
    at = learnRepeated(at)
    if (at === UNSURE) return UNSURE
  }
  while (at !== UNSURE && !isClosed) at = readMember(at)
  return at
}

/**
 * Reads the line that begins at a position, and returns where its entry ends; 0 where it is not sure. Behind the last line
 * there must be the byte that ends it, and room for 16 more. Lines are read one after the other: what is read before the
 * line before has been put there since.
 */
export function scanLine(at: usize): usize {
  store<i32>(FOUND_TYPE, OTHER)
  store<u64>(FOUND_SESSION, 0)
  store<u64>(FOUND_FOLDER, 0)
  store<u64>(FOUND_SUBAGENT, 0)
  store<f64>(FOUND_MILLIS, NaN)
  blocks = 0
  if (at <= repeatedFrom) repeatedFrom = 0
  if (byteAt(at) !== OPEN_BRACE) return UNSURE
  at = readEntry(at + 1)
  store<i32>(FOUND_BLOCKS, blocks)
  return at
}
