import * as Effect from "effect/Effect"
import { projectFromRoot } from "../../domain/projectFromRoot.ts"
import type { TimesByRoot } from "../../domain/timesByRoot.ts"
import { Projects } from "../../services/Projects.ts"

/** Remembers the projects that calls were seen in. */
export const rememberProjects = Effect.fn("rememberProjects")(function* (times: TimesByRoot) {
  const projects = yield* Projects
  yield* projects.rememberAll([...times].map(([root, seen]) => [projectFromRoot(root), seen]))
})
