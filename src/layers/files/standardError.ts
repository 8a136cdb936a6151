/** To the beginning of the line, and nothing left on it. */
export const CLEAR_LINE = "\r\u001b[K"

/** Whether standard error is a terminal that can clear a line. */
export const canClearLine = (): boolean => process.stderr.isTTY === true && process.env.TERM !== "dumb"
