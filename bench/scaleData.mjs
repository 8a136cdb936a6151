/** The end of the generated time, in milliseconds since the epoch: the last whole hour, so that the commands' windows end with it. */
export const END = Math.floor(Date.now() / 3_600_000) * 3_600_000

const DAYS = 90
const TOOLS = 60
const PROJECTS = 20
const SESSION_CALLS = 150
const FAILURE_SHARE = 0.05
const SUBAGENT_SHARE = 0.2

/** The tools and projects by how much they are used, from 0. */
export const toolName = (rank) => (rank < 20 ? `Tool${rank}` : `mcp__server${rank % 5}__tool${rank}`)
export const projectHash = (rank) => rank.toString(16).padStart(16, "0")

const random = (seed) => {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

/** Ranks from 0, the nth as often as 1/n. */
const zipf = (ranks, next) => {
  const sums = []
  for (let rank = 1; rank <= ranks; rank++) sums.push((sums.at(-1) ?? 0) + 1 / rank)
  return () => {
    const drawn = next() * sums[ranks - 1]
    return sums.findIndex((sum) => drawn < sum)
  }
}

/**
 * So many calls over 90 days, evenly in time, always the same for the same seed: tools and projects by Zipf's law, sessions of
 * 150 calls each in one project, 5% failures.
 */
export function* generateEvents(events, seed = 1) {
  const next = random(seed)
  const nextTool = zipf(TOOLS, next)
  const nextProject = zipf(PROJECTS, next)
  const start = END - DAYS * 86_400_000
  let session = ""
  let project = ""
  for (let n = 0; n < events; n++) {
    if (n % SESSION_CALLS === 0) {
      session = `${seed}-${n.toString(16).padStart(8, "0")}-4c3e-9b7a-0242ac120002`
      project = projectHash(nextProject())
    }
    yield {
      tool: toolName(nextTool()),
      session,
      project,
      success: next() < FAILURE_SHARE ? 0 : 1,
      at: new Date(start + (n / events) * DAYS * 86_400_000).toISOString().slice(0, 19).replace("T", " "),
      id: `toolu_${seed}${Math.floor(next() * 2 ** 32).toString(36)}${n.toString(36).padStart(8, "0")}`,
      duration: Math.floor(next() ** 3 * 60_000),
      subagent: next() < SUBAGENT_SHARE ? "Explore" : null,
    }
  }
}
