/** `problem`: a person has to do something. `warning`: good to know. */
export interface Check {
  readonly name: string
  readonly status: "ok" | "warning" | "problem"
  readonly message: string
}

export const check =
  (name: string, status: Check["status"]) =>
  (message: string): Check => ({ name, status, message })
