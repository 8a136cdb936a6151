/** `problem`: a person has to do something. `warning`: good to know. `skipped`: not looked at, as it would take long. */
export interface Check {
  readonly name: string
  readonly status: "ok" | "warning" | "problem" | "skipped"
  readonly message: string
}

export const check =
  (name: string, status: Check["status"]) =>
  (message: string): Check => ({ name, status, message })
