import * as Context from "effect/Context"

/** Where tooltrail keeps its files, as absolute paths. Nothing is created by naming them. */
export class Home extends Context.Tag("tooltrail/services/Home")<
  Home,
  {
    readonly directory: string
    readonly database: string
    readonly log: string
    /** The folder of calls that could not be stored yet. */
    readonly spool: string
  }
>() {}
