// What the measurements compute from their numbers.
import Table from "cli-table3"

export const quantile = (numbers, share) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * share)]
export const median = (numbers) => quantile(numbers, 0.5)
export const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length
export const percent = (share) => `${(share * 100).toFixed(0)}%`
export const secondsSince = (started) => (performance.now() - started) / 1000

export const newTable = (head) =>
  new Table({
    head,
    style: { head: [], border: [] },
    colAligns: head.map((_, place) => (place === 0 ? "left" : "right")),
  })
