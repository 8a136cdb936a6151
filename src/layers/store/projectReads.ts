import type * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Project } from "../../domain/Project.ts"
import type { Projects } from "../../services/Projects.ts"
import { failingTo } from "./failingTo.ts"

/** The questions that `Projects` answers. */
export const makeProjectReads = (sql: SqlClient.SqlClient): Pick<Context.Tag.Service<Projects>, "getAll"> => {
  const all = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Project,
    execute: () => sql`SELECT project_hash AS hash, root, name FROM projects`,
  })

  return {
    getAll: all(undefined).pipe(
      Effect.map((projects) => new Map(projects.map((project) => [project.hash, project]))),
      failingTo("read the projects"),
      Effect.withSpan("Projects.getAll"),
    ),
  }
}
