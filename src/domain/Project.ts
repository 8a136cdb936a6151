import * as Schema from "effect/Schema"

/** The first 16 hex digits of the SHA-256 of a project's root path. */
export const ProjectHash = Schema.String.pipe(Schema.brand("ProjectHash"))
export type ProjectHash = typeof ProjectHash.Type

/** The folder tree that calls are counted for. */
export const Project = Schema.Struct({
  hash: ProjectHash,
  /** Absolute path of the project's folder. */
  root: Schema.String,
  /** The folder's own name, for reports. */
  name: Schema.String,
})
export type Project = typeof Project.Type

/** Asks about every call, whatever its project. */
export const AllProjects = "all-projects"

/** Which calls a question is about: one project's, those of no project (null), or all. */
export const ProjectSelection = Schema.NullOr(Schema.Union(Schema.Literal(AllProjects), ProjectHash))
export type ProjectSelection = typeof ProjectSelection.Type
