import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Times } from "../../domain/foldUses.ts"
import type { Project } from "../../domain/Project.ts"
import { Projects } from "../../services/Projects.ts"
import { failingTo } from "./failingTo.ts"
import { makeInsertRows } from "./insertRows.ts"
import { onDemand } from "./onDemand.ts"

export const makeProjects = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const remember = makeInsertRows<readonly [Project, Times]>(sql, {
    into: "projects",
    columns: ["project_hash", "root", "name", "first_seen", "last_seen"],
    values: ([{ hash, root, name }, { first, last }]) => [hash, root, name, first, last],
    onConflict: `
      ON CONFLICT (project_hash) DO UPDATE SET
        first_seen = min(projects.first_seen, excluded.first_seen),
        last_seen = max(projects.last_seen, excluded.last_seen)
      WHERE excluded.first_seen < projects.first_seen OR excluded.last_seen > projects.last_seen`,
  })

  const reads = onDemand(() => import("./projectReads.ts").then((module) => module.makeProjectReads(sql)))

  return Projects.of({
    remember: (project, seen) =>
      remember([[project, seen]]).pipe(Effect.asVoid, failingTo(`remember the project ${project.root}`)),

    rememberAll: Effect.fn("Projects.rememberAll")(
      (seen) => Effect.asVoid(remember(seen)),
      failingTo("remember projects"),
    ),

    getAll: Effect.flatMap(reads, (read) => read.getAll),
  })
})

/** `Projects` over an open database whose schema is up to date. */
export const ProjectsSql: Layer.Layer<Projects, never, SqlClient.SqlClient> = Layer.effect(Projects, makeProjects)
