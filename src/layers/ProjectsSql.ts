import * as SqlClient from "@effect/sql/SqlClient"
import * as SqlSchema from "@effect/sql/SqlSchema"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Project } from "../domain/Project.ts"
import { Timestamp } from "../domain/Timestamp.ts"
import { Projects } from "../services/Projects.ts"
import { failingTo } from "./failingTo.ts"

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const remember = SqlSchema.void({
    Request: Schema.Struct({ project: Project, seenAt: Timestamp }),
    execute: ({ project, seenAt }) => sql`
      INSERT INTO projects ${sql.insert({
        project_hash: project.hash,
        root: project.root,
        name: project.name,
        first_seen: seenAt,
        last_seen: seenAt,
      })}
      ON CONFLICT (project_hash) DO UPDATE SET
        first_seen = min(projects.first_seen, excluded.first_seen),
        last_seen = max(projects.last_seen, excluded.last_seen)
      WHERE excluded.first_seen < projects.first_seen OR excluded.last_seen > projects.last_seen`,
  })

  const all = SqlSchema.findAll({
    Request: Schema.Void,
    Result: Project,
    execute: () => sql`SELECT project_hash AS hash, root, name FROM projects`,
  })

  return Projects.of({
    remember: Effect.fn("Projects.remember")(
      function* (project, seenAt) {
        yield* remember({ project, seenAt })
      },
      (effect, project) => failingTo(`remember the project ${project.root}`)(effect),
    ),

    getAll: all(undefined).pipe(
      Effect.map((projects) => new Map(projects.map((project) => [project.hash, project]))),
      failingTo("read the projects"),
      Effect.withSpan("Projects.getAll"),
    ),
  })
})

export const ProjectsSql: Layer.Layer<Projects, never, SqlClient.SqlClient> = Layer.effect(Projects, make)
